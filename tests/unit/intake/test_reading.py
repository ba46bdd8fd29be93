"""Lists come in any shape; nothing of them is lost and nothing grows in memory."""

import io

import pytest

from validatord.errors import ConfigurationError
from validatord.intake.reading import MAX_LINE, InputRow, read_addresses


def addresses(data: bytes, column: str = "") -> list[str]:
    return [row.address for row in read_addresses(io.BytesIO(data), column=column)]


def test_one_a_line_keeps_order_and_line_numbers() -> None:
    """Empty lines are skipped and every row knows its line."""
    rows = list(read_addresses(io.BytesIO(b"a@example.com\n\n b@example.org \r\nc@example.net")))

    assert rows == [InputRow(1, "a@example.com"), InputRow(3, "b@example.org"), InputRow(4, "c@example.net")]


def test_empty_input_gives_no_rows() -> None:
    """An empty file, and one of white space, hold no addresses."""
    assert addresses(b"") == []
    assert addresses(b"\n  \n\r\n") == []


@pytest.mark.parametrize("header", [b"email", b"E-Mail", b"Email_Address", b"mail"])
def test_a_header_line_of_a_single_column_is_no_address(header: bytes) -> None:
    """A lone column's header is recognised by its name."""
    assert addresses(header + b"\nx@example.com\n") == ["x@example.com"]


def test_csv_column_is_found_by_name() -> None:
    """The column with a usual name is taken, whatever its place and delimiter."""
    assert addresses(b"id;Name;E-Mail\n1;A;a@example.com\n2;B;b@example.com\n") == ["a@example.com", "b@example.com"]


def test_csv_column_is_guessed_without_header() -> None:
    """Without a header the first column with an @ is taken, and no row is lost."""
    assert addresses(b"1,a@example.com\n2,b@example.com\n") == ["a@example.com", "b@example.com"]


def test_csv_column_can_be_named() -> None:
    """A named column wins over a guess; case does not matter."""
    assert addresses(b"email,backup\na@example.com,b@example.org\n", column="BACKUP") == ["b@example.org"]


def test_a_missing_column_is_one_clear_error() -> None:
    """The error names the input, the column, and what there is."""
    with pytest.raises(ConfigurationError, match='no column "nope"; there are: email, backup'):
        addresses(b"email,backup\na@example.com,b@example.org\n", column="nope")


def test_contact_ids_come_along() -> None:
    """A contact_id column is carried with each address."""
    data = b"contact_id,email\n5b0b3c4e-0000-4000-8000-000000000001,a@example.com\n"

    rows = list(read_addresses(io.BytesIO(data)))

    assert rows == [InputRow(2, "a@example.com", "5b0b3c4e-0000-4000-8000-000000000001")]


def test_quoted_cells_may_hold_delimiters() -> None:
    """CSV quoting is understood."""
    assert addresses(b'name,email\n"Smith, J.",j@example.com\n') == ["j@example.com"]


def test_short_rows_become_empty_addresses() -> None:
    """A row without the column is still a row: its reason is said later."""
    assert addresses(b"name,email\nonly-a-name\nx,y@example.com\n") == ["", "y@example.com"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_understood(encoding: str) -> None:
    """A file with a byte order mark reads like any other."""
    assert addresses("é@example.com\nb@example.com\n".encode(encoding)) == ["é@example.com", "b@example.com"]


def test_mixed_encodings_lose_only_nothing() -> None:
    """A line that is no UTF-8 is read as Windows-1252; its neighbours are untouched."""
    data = "ü@example.com\n".encode() + "ö@example.com\n".encode("cp1252") + b"c@example.com\n"

    assert addresses(data) == ["ü@example.com", "ö@example.com", "c@example.com"]


def test_nul_and_control_bytes_stay_for_the_syntax_check() -> None:
    """What is no address is handed on as it stands."""
    assert addresses(b"a\x00b@example.com\nok@example.com\n") == ["a\x00b@example.com", "ok@example.com"]


def test_a_line_of_a_megabyte_is_cut_and_the_next_is_whole() -> None:
    """Memory is bounded by the longest line that is kept."""
    found = addresses(b"x" * 1_000_000 + b"@example.com\nok@example.com\n")

    assert len(found) == 2
    assert len(found[0]) < MAX_LINE
    assert found[1] == "ok@example.com"


def test_a_million_bytes_without_a_line_end_are_one_row() -> None:
    """A file without line ends does not grow in memory."""
    assert len(addresses(b"y" * 3_000_000)) == 1
