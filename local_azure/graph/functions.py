"""Kusto's functions where duckdb-kql lacks them or differs, and the names that Kusto knows."""

import dataclasses

from duckdb_kql import ir
from duckdb_kql.translate.functions import SCALAR_FUNCTIONS, FunctionSpec, lookup, lookup_aggregate

from local_azure.graph.refusals import NotModelled, invalid_query

# Older names that Kusto still reads.
_ALIASES = {
    "makelist": "make_list",
    "makeset": "make_set",
    "parsejson": "parse_json",
    "toobject": "todynamic",
    "arraylength": "array_length",
    "notempty": "isnotempty",
    "notnull": "isnotnull",
}

# A dynamic value is null when it is missing and when it is JSON's null; a string never is (Kusto).
_IS_NULL = (
    "(typeof({0}) <> 'VARCHAR' AND ({0} IS NULL OR "
    "(typeof({0}) = 'JSON' AND CAST({0} AS VARCHAR) = 'null')))"
)
# `tags[key]`: a key that is a number counts elements, any other names a member.
_KEY = (
    "(CASE WHEN typeof({1}) = 'JSON' THEN json_extract_string(to_json({1}), '$') "
    "ELSE CAST({1} AS VARCHAR) END)"
)
_ELEMENT = (
    "json_extract({0}, CASE WHEN typeof({1}) IN ('INTEGER', 'BIGINT') OR "
    "(typeof({1}) = 'JSON' AND json_type(to_json({1})) IN ('BIGINT', 'UBIGINT')) "
    f"THEN '$[' || {_KEY} || ']' "
    f"ELSE '/' || replace(replace({_KEY}, '~', '~0'), '/', '~1') END)"
)
# What Kusto makes of a set of something that is no array isn't documented: that fails.
_ELEMENTS = (
    "(CASE WHEN json_type(to_json({%d})) = 'ARRAY' THEN CAST(to_json({%d}) AS JSON[]) "
    "ELSE error('a set of something that is no array') END)"
)
_ELEMENTS_0 = _ELEMENTS % (0, 0)
_ELEMENTS_1 = _ELEMENTS % (1, 1)
_OWN = {
    "isnull": _IS_NULL,
    "isnotnull": f"(NOT {_IS_NULL})",
    "bag_keys": (
        "(CASE WHEN json_type({0}) = 'OBJECT' THEN CAST(to_json(json_keys({0})) AS JSON) END)"
    ),
    "set_union": f"to_json(list_distinct(list_concat({_ELEMENTS_0}, {_ELEMENTS_1})))",
    "set_intersect": f"to_json(list_intersect({_ELEMENTS_0}, {_ELEMENTS_1}))",
    "set_difference": (
        f"to_json(list_filter(list_distinct({_ELEMENTS_0}), "
        f"lambda e: NOT list_contains({_ELEMENTS_1}, e)))"
    ),
    "bag_has_key": "coalesce(list_contains(json_keys({0}), {1}), FALSE)",
}
_INTERNAL = {"string": "coalesce({0}, '')", "element": _ELEMENT}
# Under names that no query can spell, so that other users of duckdb-kql see no difference.
for _name, _template in {**_OWN, **_INTERNAL}.items():
    SCALAR_FUNCTIONS[f"${_name}"] = FunctionSpec(
        f"${_name}", "template", _template, ((2,) if "{1}" in _template else (1,))
    )

# Functions of Kusto's that this engine doesn't have: Azure may answer them.
_MISSING = """
array_iff array_rotate_left array_rotate_right array_shift_left array_shift_right array_split
bag_merge bag_remove_keys bag_set_key bag_zip base64_decode_toarray bin_at bin_auto binary_all_and
binary_all_or buildschema column_ifexists cosh count_distinct count_distinctif current_principal
estimate_data_size extract_json
extractjson format_bytes format_ipv4 format_timespan gettype has_any_index has_any_ipv4 has_ipv4
hash hash_combine hash_xxhash64 hll indexof_regex ipv4_compare ipv4_is_in_any_range
ipv4_is_in_range ipv4_is_match ipv4_is_private ipv4_netmask_suffix ipv6_compare ipv6_is_match
isascii isutf8 jaccard_index make_bag make_bag_if make_list_if make_list_with_nulls make_set_if
merge_tdigest new_guid next parse_command_line parse_csv parse_ipv4_mask parse_ipv6_mask parse_path
parse_urlquery parse_user_agent parse_version parse_xml percentilesw prev punycode_to_string rand
rank_tdigest regex_quote repeat replace_strings row_cumsum row_number row_rank_dense series_add
set_equals sinh stdevp strcmp string_size tanh tdigest
translate treepath unicode_codepoints_from_string unixtime_microseconds_todatetime
unixtime_milliseconds_todatetime unixtime_nanoseconds_todatetime unixtime_seconds_todatetime
url_decode url_encode url_encode_component variancep welch_test zlib_compress_to_base64_string
"""
_KUSTO = frozenset(_MISSING.split())
# Read by duckdb-kql without a row in its registries.
_UNLISTED = """
iff iif case not bin floor now ago datetime_add datetime_diff datetime_part format_datetime
percentiles arg_max arg_min tostring strcat_array range
"""
_SPECIAL = frozenset(_UNLISTED.split())


def rewrite_function(call: ir.FunctionCall) -> ir.FunctionCall:
    """Write the call as duckdb-kql can run it. Raises Refused, NotModelled."""
    name = _ALIASES.get(call.name, call.name)
    if name in _OWN:
        return dataclasses.replace(call, name=f"${name}")
    if name.startswith("$"):
        return call
    known = name == name.lower() and (lookup(name) or lookup_aggregate(name) or name in _SPECIAL)
    if known:
        return dataclasses.replace(call, name=name)
    if name in _KUSTO:
        raise NotModelled(f"function {name}()")
    raise invalid_query("UnknownFunction", f"Unknown function: '{call.name}'.")


def filled(column: str) -> ir.Expr:
    """Read a column of strings with "" where DuckDB has null."""
    return ir.FunctionCall("$string", (ir.ColumnRef(column),))


def rewrite_path(path: ir.PathAccess) -> ir.Expr:
    """Make steps of a path whose key is computed (`tags[name]`) into function calls."""
    done: ir.Expr = path.base
    steps: list[ir.PathStep] = []
    for step in path.steps:
        if step.index is None or isinstance(step.index, ir.Literal | ir.UnaryOp):
            steps.append(step)
            continue
        base = ir.PathAccess(done, tuple(steps)) if steps else done
        done, steps = ir.FunctionCall("$element", (base, step.index)), []
    # A path, even without steps: that is how duckdb-kql knows a dynamic value.
    return ir.PathAccess(done, tuple(steps))
