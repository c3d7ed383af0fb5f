"""Queries of text search made of the headings of awesome lists."""

import pytest

from starvec_assets.evaluation.awesome.queries import half_of, list_topic, section_query


@pytest.mark.parametrize(
    ("list_name", "section", "query"),
    [
        ("sindresorhus/awesome-nodejs", "Packages / Command-line utilities", "nodejs Command-line utilities"),
        ("avelino/awesome-go", "Awesome Go / 3.1. Database / Relational :dog: (SQL)", "go Database Relational SQL"),
        ("KotlinBy/awesome-kotlin", "Libraries Back ⇈ / Database Back ⇈", "kotlin Database"),
        ("vinta/awesome-python", "Python / Python Testing", "python Testing"),
        ("CodyReichert/awesome-cl", "Web development", "Common Lisp Web development"),
    ],
    ids=["general heading", "numbers and marks", "links back", "repeated words", "topic of its own"],
)
def test_a_section_is_asked_for_by_the_topic_of_its_list_and_its_last_two_headings(list_name, section, query):
    assert section_query(list_name, section) == query


@pytest.mark.parametrize("section", ["Go / Miscellaneous", "Tools", ":sparkles:", "", "Trending this month / Go"])
def test_a_heading_that_says_nothing_is_no_query(section):
    assert section_query("avelino/awesome-go", section) == ""


def test_the_topic_of_a_list_is_in_its_name():
    assert list_topic("MaxBenChrist/awesome_time_series_in_python") == "time series in python"


def test_lists_fall_into_halves_by_name_alone():
    halves = {half_of(f"owner/list{i}") for i in range(20)}
    assert halves == {0, 1}
    assert half_of("owner/list1") == half_of("owner/list1")
