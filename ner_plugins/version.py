"""The version of this package, also written into its archives."""

VERSION = "0.1.0"
