"""What Prometheus reads."""

from prometheus_client import generate_latest

from rodcorp.databases import pool, switching


def lines():
    return generate_latest().decode().splitlines()


def test_the_mode_of_this_host_is_told(company):
    assert 'rodcorp_database_mode{mode="primary"} 1.0' in lines()
    switching.to_copy("test")
    assert 'rodcorp_database_mode{mode="primary"} 0.0' in lines()
    assert 'rodcorp_database_mode{mode="fallback"} 1.0' in lines()
    assert "rodcorp_database_epoch 2.0" in lines()


def test_the_connections_of_this_process_are_told(company, monkeypatch):
    figures = pool.Figures(in_use=3, idle=2, limit=20, waits=5, drops=7, refusals=1)
    monkeypatch.setattr(pool, "figures", lambda: figures)
    told = lines()
    assert 'rodcorp_primary_connections{state="in_use"} 3.0' in told
    assert 'rodcorp_primary_connections{state="idle"} 2.0' in told
    assert "rodcorp_primary_connections_limit 20.0" in told
    assert "rodcorp_primary_connection_waits_total 5.0" in told
    assert "rodcorp_primary_connection_drops_total 7.0" in told
    assert "rodcorp_primary_connection_refusals_total 1.0" in told


def test_without_a_primary_there_is_nothing_to_tell():
    assert not [line for line in lines() if "rodcorp_" in line]
