"""The words of a text: the rules one by one, and that no text is too long, too strange or too slow."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starvec_assets.text_search import tokenizer
from starvec_assets.text_search.tokenizer import MAX_CHARS, MAX_WORD_CHARS, stem, tokenize, tokenize_query


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C++ C# F# g++ C", ["c++", "c#", "f#", "g++", "c"]),
        ("C++17, Objective-C++", ["c++", "17", "objectivec++", "objectiv", "c++"]),
        ("a fix for #5 of foo#5", ["fix", "5", "foo", "5"]),
        (".NET .net Core ASP.NET", ["dotnet", "dotnet", "cor", "aspnet", "asp", "net"]),
        ("Node.js nodejs", ["nodejs", "nod", "js", "nodejs"]),
        ("k8s i18n x86_64", ["k8s", "i18n", "x8664", "x86", "64"]),
        ("python3 web3 mp3 sha256", ["python3", "python", "web3", "web", "mp3", "sha256"]),
        ("v2.0.1 3.11 2.0beta", ["v2.0.1", "3.11", "20beta", "2", "0beta"]),
        ("facebook/react-native", ["facebook", "reactnativ", "react", "nativ"]),
        ("TensorFlow HTTPServer", ["tensorflow", "tensor", "flow", "httpserv", "http", "server"]),
        ("iOS GPUs LaTeX", ["ios", "gpu", "latex"]),
        ("JavaScript GitHub", ["javascript", "github"]),
        ("Café naïve Ångström Straße", ["caf", "naiv", "angstrom", "straße"]),
        ("don’t it's", ["dont"]),
        ("Ｆｕｌｌ ｗｉｄｔｈ ﾊﾝｶｸ", ["ful", "width", "ハン", "ンカ", "カク"]),
        ("机器学习 库", ["机器", "器学", "学习", "库"]),
        ("基于React的UI组件", ["基于", "react", "的", "ui", "组件"]),
        ("한국어 がくせい", ["한국", "국어", "がく", "くせ", "せい"]),
        ("ภาษาไทย", ["ภา", "าษ", "ษา", "าไ", "ไท", "ทย"]),
        ("ΣΟΦΟΣ σοφός", ["σοφοσ", "σοφοσ"]),
        ("Привет, мир", ["привет", "мир"]),
        ("🚀fast👩‍💻 ⚡️ ①", ["fast"]),
        ("the of and with", []),
        ("\x00\x1b[31m<b>bold</b>\u202e", ["31m", "b", "bold", "b"]),
        ("", []),
    ],
)
def test_a_text_is_cut_by_the_rules(text: str, words: list[str]):
    assert tokenize(text) == words


@pytest.mark.parametrize(
    "words",
    [
        "optimize optimizes optimized optimizing optimizer optimizers optimization optimizations",
        "library libraries",
        "map maps mapped mapping",
        "install installs installed installing",
        "secure security securely",
        "database databases",
        "generate generated generator generators generation",
        "read reads reading",
        "gpu gpus",
        "api apis",
    ],
)
def test_forms_of_a_word_have_one_stem(words: str):
    assert len({stem(word) for word in words.split()}) == 1


@pytest.mark.parametrize(
    "word", ["redis", "analysis", "class", "string", "c++", "nodejs", "ios", "http", "мир", "学习"]
)
def test_other_words_keep_their_ends(word: str):
    assert stem(word) == word


def test_decomposed_letters_are_those_of_the_composed_text():
    text = "Café がくせい 한국어 Ångström й"
    assert tokenize(unicodedata.normalize("NFD", text)) == tokenize(text)


def test_parts_of_a_query_are_as_typed():
    assert tokenize_query("  (React/Redux), “Node.js”  机器学习 the .NET!") == [
        ("React/Redux", ["react", "redux"]),
        ("“Node.js”", ["nodejs", "nod", "js"]),
        ("机器学习", ["机器", "器学", "学习"]),
        (".NET", ["dotnet"]),
    ]


@given(st.text(max_size=60))
def test_parts_of_a_query_have_the_words_of_the_whole(text: str):
    assert [word for _, words in tokenize_query(text) for word in words] == tokenize(text)


@given(st.text(max_size=200))
def test_words_are_bounded_and_lower_case(text: str):
    words = tokenize(text)
    assert len(words) <= 2 * len(text)
    assert all(0 < len(word) <= MAX_WORD_CHARS and word == word.lower() for word in words)


@pytest.mark.parametrize(
    "pattern",
    ["a", "a-", "aB", "Ab", "'a", "C#", "1.", "机", "ab1 ", "\u094d\u093c", "क\u3099\u094d\u0e38", "é", "🚀", "<b>"],
    ids=ascii,
)
def test_a_text_of_ten_million_characters_is_cut(pattern: str):
    text = pattern * (10_000_000 // len(pattern))
    assert tokenize(text) == tokenize(text[:MAX_CHARS])
    assert len(tokenize(text)) <= MAX_CHARS


def test_the_limit_counts_utf_16_units():
    assert tokenize("🚀" * (MAX_CHARS // 2 - 1) + "ab cd") == ["ab"]


def test_ranges_hold_characters_that_python_and_browsers_know_alike():
    unassigned = {
        hex(code)
        for code in range(0x10000)
        if unicodedata.category(chr(code)) == "Cn" and not tokenizer._UNREAD.match(chr(code))
    }
    assert unassigned == set()
    assert sys.version_info >= (3, 11), "Unicode 14 or newer"
