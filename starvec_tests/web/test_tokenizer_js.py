"""The page cuts texts into the same words as Python: 12,000 generated texts, and some of every kind."""

import json
import random
from typing import Any

import pytest

from starvec_assets.paths import PACKAGE
from starvec_assets.sample.catalogue import load_catalogue
from starvec_assets.text_search.tokenizer import MAX_CHARS, tokenize, tokenize_query

ALPHABET = (
    "aabcdeegilnrstvyzACEIOSTZ0123..--__++##//''’ \t\n\u00a0\u3000,:;!?()[]{}<>\"`"
    "éßœÅİıΣςΔДжйëא中文字かがｶﾞ한글각ไทยนักขक़क्षنعم🚀👩\u200d💻𝐀①²½ﬁĳǆŉℝⅣ™\u0301\u0327\u3099\u1100\u1161\u094d\u093c"
)
SPECIAL = [
    *(
        "C++ C# F# C++17 g++ a++b Objective-C++",
        ".NET ASP.NET .net-core x.net",
        "Node.js three.js k8s v2.0.1 3.11 2.0b",
    ),
    *("TensorFlow HTTPServer iOS GPUs LaTeX JavaScript aB ABc", "owner/name some_snake-case.dotted", "ΣΟΦΟΣ"),
    *("a" * 20_000, "机" * 20_000, "🚀" * 5_000 + "abc", "aB" * 9_000, "a.b" * 9_000, "\u094d\u093c" * 9_000, ""),
]
COMPARE = """async ({ base, texts }) => {
  const { tokenize, tokenizeQuery } = await import(base + "engine/tokenizer.js");
  const cut = (text) => [tokenize(text), tokenizeQuery(text).map(({ part, words }) => [part, words])];
  return JSON.stringify(JSON.parse(texts).map(cut)); // one string: the browser's driver is slow with many
}"""


def generated_texts() -> list[str]:
    """Real names and descriptions, mixtures of difficult characters, and every UTF-16 unit within a word."""
    rng = random.Random(1)
    repos = load_catalogue()
    ranges = [(0x20, 0x7F), (0x80, 0x600), (0x600, 0xD800), (0xE000, 0x110000)]
    return [
        *(repo.name for repo in repos),
        *(repo.description for repo in repos),
        *("".join(rng.choices(ALPHABET, k=rng.randrange(1, 40))) for _ in range(6_000)),
        *("".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(1, 40))) for _ in range(6_000)),
        *("".join(f"ab{chr(code)}c " for code in range(start, start + 256)) for start in range(0, 0xD800, 256)),
        *("".join(f"ab{chr(code)}c " for code in range(start, start + 256)) for start in range(0xE000, 0x10000, 256)),
    ]


@pytest.mark.parametrize("kind", ["generated", "special"])
def test_javascript_and_python_cut_the_same_words(kind: str, context: Any, serve_folder: Any):
    texts = generated_texts() if kind == "generated" else SPECIAL
    assert kind == "special" or len(texts) >= 10_000
    page = context.new_page()
    site = serve_folder(PACKAGE / "web")
    page.goto(site + "icon.svg")
    cut = json.loads(page.evaluate(COMPARE, {"base": site, "texts": json.dumps(texts)}))
    for text, (words, parts) in zip(texts, cut, strict=True):
        assert words == tokenize(text), ascii(text[:100])
        assert parts == [list(part) for part in tokenize_query(text)], ascii(text[:100])
    assert len(max(texts, key=len)) > MAX_CHARS or kind == "generated"
