"""The benchmark: `make bench` compares the service with bare floors and with its peers, see benchmarks/README.md."""
