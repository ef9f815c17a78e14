"""Text and HTML of a student's that runs nothing in the page it is shown in, and does not take long to clean."""

import contextlib
import re

from bleach import clean
from bleach.css_sanitizer import CSSSanitizer

TAGS = {"a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "div", "dl", "dt", "em", "hr", "i", "img", "li"}
TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "span", "strong", "sub", "sup", "ul", "u"}
TAGS |= {"table", "tbody", "td", "tfoot", "th", "thead", "tr"}
STYLE = CSSSanitizer()
LARGE = 100_000  # characters of one display's HTML that are cleaned, without its styles and scripts,
MOST = 4_000  # tags of one display
TANGLED = 20_000  # a parser repeats every formatting tag that is left open in every block that follows: their product
FORMATS = "a|b|code|em|i|strong|u|s|small|big|font|nobr|strike|tt"  # which tags it does that with
WAYS = re.I | re.A  # a parser of HTML knows no other letters and spaces
VALUE = r"""(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++)"""
TAG = re.compile(rf"</?[a-z][a-z0-9-]*+(?:\s++[\w:.-]++(?:\s*+=\s*+{VALUE})?)" + r"{0,20}\s*+/?>|<![^<>]*+>", WAYS)
OPENS = re.compile(r"<(?=[a-z/!?])", WAYS)  # any other < is a text's
LEAF = re.compile(rf"<({FORMATS})(?:\s[^<>]*+)?>[^<]*+</\1\s*+>", WAYS)  # what is closed at once repeats nothing
FORMAT = re.compile(rf"<(?:{FORMATS})\b", WAYS)
UNSEEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\ud800-\udfff]")  # what no text can hold, or nobody can see


def text(value):
    """What a student's process gave as a text, whatever it is, as one that can be written and read."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else ""


def page(source):
    """HTML without MathJax's way to make links, which would undo all escaping."""
    return re.sub(r"\\(?=\s*href)", r"\\ ", source)


def without(source, name):
    """HTML without an element that holds no HTML, and what is in it."""
    first, *rest = re.split(rf"<{name}\b", source, flags=re.I)
    return first + "".join(re.split(rf"</{name}\s*>", part, maxsplit=1, flags=re.I)[-1] for part in rest)


def tidy(source):
    """Whether HTML is cleaned in a moment: the parser takes hours over a page that was made to hold it up.

    Every tag has to be a plain one, so that what is counted here is what the parser sees.
    """
    starts = [m.start() for m in OPENS.finditer(source)]
    if len(source) > LARGE or len(starts) > MOST or not all(TAG.match(source, at) for at in starts):
        return False
    for _ in range(3):
        source = LEAF.sub("", source)
    return len(FORMAT.findall(source)) * len(starts) <= TANGLED


def allowed(tag, name, value):
    """The attributes that are kept: a class may be a table's own, but none that a page around it listens to."""
    return name in ("style", "colspan", "rowspan") or (name == "class" and value == "dataframe" and tag == "table")


def cleaned(source):
    """HTML with nothing in it that a browser would run; nothing when it cannot be told in reasonable time."""
    with contextlib.suppress(RecursionError):
        if tidy(source):
            return page(clean(source, tags=TAGS, attributes=allowed, css_sanitizer=STYLE, strip=True))
    return None


ACTIVE = [  # what a page could run or stumble over, and what stands there instead
    (re.compile(r"<(?=[A-Za-z/!?])"), "< "),  # unlike &lt;, as readable in code and in formulas
    (re.compile(r"\\(?=href\b)"), r"\\ "),  # MathJax's link
    (re.compile(r"((?:java|vb)script)(?=:)", re.I), r"\1 "),
    (re.compile(r"(?:```|~~~)[ \t]*(?=[&\\])"), r"\g<0>text "),  # a language that decodes to nothing stops nbconvert
    (  # a link, an image or a definition whose target is not surely harmless
        re.compile(
            r"\](?=[(:])(?![(:]\s*+(?:https?://|mailto:|data:image/(?:png|jpe?g|gif);base64,"
            r"|[\w./#?=%~+-]*+(?:[)\s]|$)))"
        ),
        "] ",
    ),
]


def inert(markdown):
    """Markdown that runs nothing in a page it is rendered in."""
    for pattern, instead in ACTIVE:
        markdown = pattern.sub(instead, markdown)
    return markdown
