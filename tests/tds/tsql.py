"""T-SQL rewritten for SQLite, no more of it than Django and the engine need.

By text, on statements whose string literals are masked. What is not rewritten reaches SQLite as it
is, and what SQLite does not understand becomes an error the client sees.
"""

import re
from dataclasses import dataclass

TYPES = (
    "uniqueidentifier|nvarchar|varchar|nchar|char|bit|bigint|int|smallint|tinyint|numeric|decimal|"
    "datetime2|datetime|date|time|float|varbinary|rowversion"
)
PREFIX = "tds_"
# of text that names none: case and trailing spaces do not count
COLLATION = "Latin1_General_100_CI_AS_SC"
TEXT = re.compile(rf"\b{PREFIX}n?(?:var)?char\b(?:\s*\(\d+\))?(?!\s*(?:COLLATE|\())", re.I)
MASKED = re.compile(r"N?'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.S)
MASK = re.compile("\x00(\\d+)\x00")
HINTS = re.compile(
    r"\bWITH \((?:\s*(?:ROWLOCK|UPDLOCK|HOLDLOCK|READPAST|NOLOCK|NOWAIT|XLOCK|TABLOCKX?|"
    r"SERIALIZABLE|REPEATABLEREAD|READCOMMITTEDLOCK|READCOMMITTED)\s*,?)+\)",
    re.I,
)
SIMPLE = [
    (HINTS, ""),
    (re.compile(r"\bCOUNT_BIG\(", re.I), "COUNT("),
    (re.compile(r"\bISNULL\(", re.I), "IFNULL("),
    (re.compile(r"\bLEN\(", re.I), "LENGTH("),
    (re.compile(r"(?:\[dbo\]|\bdbo)\.", re.I), ""),
    (re.compile(r"\bCAST\(SCOPE_IDENTITY\(\) AS \w+\)|\bSCOPE_IDENTITY\(\)", re.I),
     "LAST_INSERT_ROWID()"),
]  # fmt: skip
CLOCKS = re.compile(
    r"(SELECT |, *)(((?:GET(?:UTC)?DATE|SYS(?:UTC)?DATETIME)\(\))|NEWID\(\))(?=\s*(?:,|$|FROM))",
    re.I,
)
TOP = re.compile(r"^(SELECT (?:DISTINCT )?)TOP (?:\((\S+)\)|(\d+)) ", re.I)
PAGE = re.compile(r"\bOFFSET (\S+) ROWS?(?: FETCH (?:FIRST|NEXT) (\S+) ROWS? ONLY)?", re.I)
COLUMN = r"(?:INSERTED|DELETED)\.(?:\[\w+\]|\w+)"
OUTPUT = re.compile(rf"\s+OUTPUT ({COLUMN}(?:\s*,\s*{COLUMN})*)(?: INTO (#\w+))?", re.I)
DECLARE = re.compile(r"^DECLARE ((?:@\w+ [^=\n]+= @\w+ *,?)+)\s*\n", re.I)
# [id] bigint NOT NULL PRIMARY KEY IDENTITY (1, 1), in any order
IDENTITY = re.compile(
    r"\b(?:big)?int(?=[^,]*\bIDENTITY\b)(?: NOT NULL| PRIMARY KEY| IDENTITY(?: ?\(1, ?1\))?)+", re.I
)


@dataclass(frozen=True)
class Statement:
    """One statement: as the client wrote it, and what SQLite is to run."""

    written: str
    sql: str
    into: str = ""

    @property
    def command(self) -> str:
        return re.match(r"\W*(\w*)", self.written)[1].upper()

    @property
    def touches_tables(self) -> bool:
        """SQL Server's implicit transactions begin with such a statement."""
        if self.command in ("SELECT", "WITH"):
            return re.search(r"\bFROM\b", self.sql, re.I) is not None
        return self.command in ("INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP")

    @property
    def writes(self) -> bool:
        return self.touches_tables and self.command not in ("SELECT", "WITH")


def split(batch: str) -> list[str]:
    """The statements of a batch: separated by semicolons, or led by SET NOCOUNT."""
    masked, literals = _mask(batch)
    masked = _declared(masked.strip())
    pieces = []
    for piece in masked.split(";"):
        lead = re.match(r"\s*(SET NOCOUNT (?:ON|OFF))\s+(.+)", piece, re.I | re.S)
        pieces += lead.groups() if lead else [piece]
    return [_unmask(piece.strip(), literals) for piece in pieces if piece.strip()]


def translate(written: str, values: dict[str, str]) -> Statement:
    """`values` stand for `@@NAME`s."""
    sql, literals = _mask(written)
    sql = re.sub(r"@@(\w+)", lambda at: values.get(at[1].upper(), at[0]), sql)
    for pattern, replacement in SIMPLE:
        sql = pattern.sub(replacement, sql)
    sql = CLOCKS.sub(_typed, sql)
    sql, into = _returning(_paged(sql))
    if re.match(r"(CREATE|ALTER) TABLE\b", sql, re.I):
        sql = _definition(sql)
    return Statement(written, _unmask(sql, literals), into)


def _mask(sql: str) -> tuple[str, list[str]]:
    literals: list[str] = []

    def hide(match: re.Match[str]) -> str:
        if match[0][0] in "-/":
            return " "
        literals.append(match[0].removeprefix("N"))
        return f"\x00{len(literals) - 1}\x00"

    return MASKED.sub(hide, sql), literals


def _unmask(sql: str, literals: list[str]) -> str:
    return MASK.sub(lambda mask: literals[int(mask[1])], sql)


def _declared(sql: str) -> str:
    """mssql-django declares a variable for each parameter of a query that groups."""
    if not (declare := DECLARE.match(sql)):
        return sql
    rest = sql[declare.end() :]
    for variable, parameter in re.findall(r"(@\w+) [^=]+= (@\w+)", declare[1]):
        rest = re.sub(rf"{variable}\b", parameter, rest)
    return rest


def _typed(match: re.Match[str]) -> str:
    """Says what the function returns, which SQLite cannot know."""
    kind = "datetime2" if match[3] else "uniqueidentifier"
    return f'{match[1]}{match[2]} AS " [{PREFIX}{kind}]"'


def _paged(sql: str) -> str:
    if top := TOP.match(sql):
        sql = f"{top[1]}{sql[top.end() :]} LIMIT {top[2] or top[3]}"
    return PAGE.sub(lambda page: f"LIMIT {page[2] or -1} OFFSET {page[1]}", sql)


def _returning(sql: str) -> tuple[str, str]:
    if not (output := OUTPUT.search(sql)):
        return sql, ""
    columns = re.sub(r"(?:INSERTED|DELETED)\.", "", output[1], flags=re.I)
    rest = sql[: output.start()] + sql[output.end() :]
    return f"{rest} RETURNING {columns}", output[2] or ""


def _definition(sql: str) -> str:
    """Types get a prefix: sqlite3 finds its converters by name, and those are the process's."""
    sql = IDENTITY.sub("integer PRIMARY KEY AUTOINCREMENT", sql)
    sql = re.sub(r"\(max\)", "", sql, flags=re.I)
    sql = re.sub(r"\bDEFAULT (\w+\(\))", r"DEFAULT (\1)", sql, flags=re.I)
    sql = re.sub(rf"(?<!\[)\b({TYPES})\b(?!\])", rf"{PREFIX}\1", sql, flags=re.I)
    return TEXT.sub(rf"\g<0> COLLATE {COLLATION}", sql)
