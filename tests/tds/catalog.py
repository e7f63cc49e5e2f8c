"""Procedures that tell the driver about types and parameters."""

import re

from tests.tds.tokens import Result

# system_type_id of nvarchar
NVARCHAR_TYPE = 231
# sp_datatype_info: what pyodbc asks as it connects, for the longest text and the precision of times
# name, DATA_TYPE, precision, quote, largest scale, SQL_DATA_TYPE, SQL_DATETIME_SUB
TYPES = (
    ("datetime2", 93, 27, "'", 7, 9, 3),
    ("nvarchar", -9, 4000, "N'", None, -9, None),
    ("varchar", 12, 8000, "'", None, 12, None),
    ("varbinary", -3, 8000, "0x", None, -3, None),
    ("binary", -2, 8000, "0x", None, -2, None),
    ("uniqueidentifier", -11, 36, "'", None, -11, None),
    ("int", 4, 10, None, 0, 4, None),
    ("bigint", -5, 19, None, 0, -5, None),
    ("decimal", 3, 38, None, 38, 3, None),
    ("bit", -7, 1, None, None, -7, None),
)
TYPE_INFO = (
    "TYPE_NAME",
    "DATA_TYPE",
    "PRECISION",
    "LITERAL_PREFIX",
    "LITERAL_SUFFIX",
    "CREATE_PARAMS",
    "NULLABLE",
    "CASE_SENSITIVE",
    "SEARCHABLE",
    "UNSIGNED_ATTRIBUTE",
    "MONEY",
    "AUTO_INCREMENT",
    "LOCAL_TYPE_NAME",
    "MINIMUM_SCALE",
    "MAXIMUM_SCALE",
    "SQL_DATA_TYPE",
    "SQL_DATETIME_SUB",
    "NUM_PREC_RADIX",
    "INTERVAL_PRECISION",
    "USERTYPE",
)
ALL_TYPES = 0
DESCRIBED = (
    "parameter_ordinal",
    "name",
    "suggested_system_type_id",
    "suggested_system_type_name",
    "suggested_max_length",
    "suggested_precision",
    "suggested_scale",
    "suggested_user_type_id",
    "suggested_user_type_database",
    "suggested_user_type_schema",
    "suggested_user_type_name",
    "suggested_assembly_qualified_type_name",
    "suggested_xml_collection_id",
    "suggested_xml_collection_database",
    "suggested_xml_collection_schema",
    "suggested_xml_collection_name",
    "suggested_is_xml_document",
    "suggested_is_case_sensitive",
    "suggested_is_fixed_length_clr_type",
    "suggested_is_input",
    "suggested_is_output",
    "formal_parameter_name",
    "suggested_tds_type_id",
    "suggested_tds_length",
)


def describe(sql: str) -> Result:
    """sp_describe_undeclared_parameters, which the driver asks before it binds a None. Every
    parameter is said to be nvarchar(4000): right for a NULL, not for `fast_executemany`."""
    names = list(dict.fromkeys(re.findall(r"(?<!@)@P\d+", sql)))
    rows = [
        (number, name, NVARCHAR_TYPE, "nvarchar(4000)", 8000, 0, 0)
        + (None,) * 9
        + (False, False, False, True, False, None, 0xE7, 8000)
        for number, name in enumerate(names, 1)
    ]
    return Result("SELECT", DESCRIBED, rows, len(rows), is_whole=True)


def datatype_info(wanted: int) -> Result:
    rows = []
    for name, number, precision, quote, scale, verbose, part in TYPES:
        if wanted in (number, ALL_TYPES):
            ends = quote and "'"
            row = [name, number, precision, quote, ends, None, 1, 0, 3, None, 0, None, name]
            row += [None if scale is None else 0, scale, verbose, part, None, None, 0]
            rows.append(row)
    return Result("SELECT", TYPE_INFO, rows, len(rows))
