"""What turns the chapters into the built book; chapters and ``convsim`` import nothing from here."""
