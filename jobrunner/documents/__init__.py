"""JSON documents for programs, as values: the command line prints them, a web page can send them."""
