"""Topics of repositories, in the form that GitHub gives them.

They have lower-case letters, digits and hyphens, 50 characters at most (docs.github.com, "Classifying your repository
with topics", read 2026-11). The pattern is RE2's as well.
"""

import pyarrow as pa
import pyarrow.compute as pc

TOPIC = "[a-z0-9][a-z0-9-]{0,49}"

_BLANKS = r"[\s_]+"
_PAIRS = pa.schema([pa.field("row", pa.int64()), pa.field("topic", pa.string())])


def normalize_topics(texts: pa.Array) -> pa.Array:
    """Return texts as GitHub would write them as topics: "Machine Learning " is machine-learning."""
    return pc.replace_substring_regex(pc.utf8_lower(pc.utf8_trim_whitespace(texts)), _BLANKS, "-")


def topic_pairs(repos: pa.Table) -> pa.Table:
    """Return the distinct topics of each row of a table with a column `topics`, lists of strings or null.

    The columns are `row` int64, ascending, and `topic`; what can be no topic is left out. A table without that column,
    as an export of an older starvec is, has none.
    """
    if "topics" not in repos.column_names:
        return _PAIRS.empty_table()
    lists = repos["topics"].cast(pa.list_(pa.string())).combine_chunks()
    pairs = pa.table([pc.list_parent_indices(lists), normalize_topics(pc.list_flatten(lists))], names=_PAIRS.names)
    pairs = pairs.cast(_PAIRS).filter(pc.match_substring_regex(pairs["topic"], f"^{TOPIC}$"))
    return pairs.group_by(_PAIRS.names, use_threads=False).aggregate([])
