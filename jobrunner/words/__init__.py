"""What happens and how things stand, in words for people, wherever they read them."""
