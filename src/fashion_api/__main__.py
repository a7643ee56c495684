"""`python -m fashion_api` is `fashion-api`."""

from fashion_api.cli import main

if __name__ == "__main__":
    main()
