import sys
import unicodedata

import pytest

from rodcorp.errors import InvalidInput
from rodcorp.kit import validation


def test_exactly_the_control_characters_and_lone_surrogates_are_refused():
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    control = sum(unicodedata.category(character) in ("Cc", "Cs") for character in every)
    mended, removed = validation.without_control_characters(every)
    assert removed == control - len("\n\t")
    assert not any(
        unicodedata.category(character) in ("Cc", "Cs")
        for character in mended
        if character not in "\n\t"
    )


def test_a_mended_text_is_accepted():
    mended, removed = validation.without_control_characters("one\r\ntwo\x1b\tthree\ud800")
    assert validation.text(mended, "text", max_length=50, multiline=True) == "one\ntwo\tthree"
    assert removed == 2


@pytest.mark.parametrize("character", ["\n", "\t", "\x85", "\ud800"])
def test_a_line_is_one_line(character):
    with pytest.raises(InvalidInput, match=f"U\\+{ord(character):04X}"):
        validation.text(f"a{character}b", "name", max_length=50)


def test_length_is_counted_as_sql_server_counts_it():
    assert validation.utf16_length("aé🙂") == 4
