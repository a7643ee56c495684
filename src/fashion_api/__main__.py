"""`python -m fashion_api` runs `fashion-api`."""

from fashion_api.cli.main import main

if __name__ == "__main__":
    main()
