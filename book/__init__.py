"""What turns the chapters into the built book; nothing in ``convsim`` imports from here."""
