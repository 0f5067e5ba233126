"""What programs are told, as JSON documents: the command line prints them, and whatever else answers sends them."""
