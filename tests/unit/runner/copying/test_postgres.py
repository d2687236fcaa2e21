"""CopyActivity between files and a PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from tests.unit.runner.copying.conftest import Shop, copy_task, in_file, in_table, run

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, note text, amount numeric)"
AWKWARD = '1,"a ""b"", c",1.50\n2,,2\n3,"",\n4,back\\\\slash\\, comma,4\n5,5" pipe,5\n'
ROWS = [(1, 'a "b", c'), (2, None), (3, ""), (4, "back\\slash, comma"), (5, '5" pipe')]


def test_a_file_is_loaded_whole(shop: Shop, tmp_path: Path) -> None:
    shop.run(ORDERS)
    path = tmp_path / "orders.csv"
    path.write_text(AWKWARD)
    status = run(tmp_path, copy_task(in_file(path), in_table("orders"), Shop=shop.node))
    assert status["taskStatus"] == "FINISHED", status
    assert shop.run("SELECT id, note FROM orders ORDER BY id") == ROWS


def test_a_table_is_written_and_read_back(shop: Shop, tmp_path: Path) -> None:
    shop.run(ORDERS)
    (tmp_path / "in.csv").write_text(AWKWARD)
    run(tmp_path, copy_task(in_file(tmp_path / "in.csv"), in_table("orders"), Shop=shop.node))
    status = run(
        tmp_path, copy_task(in_table("orders"), in_file(tmp_path / "out.csv"), Shop=shop.node)
    )
    assert status["taskStatus"] == "FINISHED", status
    text = (tmp_path / "out.csv").read_text()
    assert text.startswith('1,"a ""b"", c",1.50\n2,,2\n3,"",\n')
