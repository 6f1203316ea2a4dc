"""Ends the program when it is imported, as a script without a main guard does."""

import sys

sys.exit("usage: acme FILE")
