"""The version of this package, and of the archives it writes."""

VERSION = "0.1.0"
