"""`python -m syndication` is `syndicate`."""

from syndication.cli.main import main

main()
