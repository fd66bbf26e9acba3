"""The parts of `benchmarks/peers.py`. `worker.py`, `with_*.py` and `standin/` run in the peers' own environments."""
