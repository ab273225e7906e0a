"""`python -m langsteer.cli`."""

from langsteer.cli import main

main()
