"""The table in the docs says what each format keeps, as it was found by converting."""

from format_table import table, written


def test_the_table_of_formats_is_what_conversions_keep(make, tmp_path):
    assert table(make(), tmp_path) == written(), "python tests/helpers/format_table.py writes it anew"
