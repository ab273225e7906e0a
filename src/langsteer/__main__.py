"""`python -m langsteer`."""

from langsteer.cli import main

if __name__ == "__main__":
    main()
