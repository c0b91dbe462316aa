"""The ``convsim`` command, in parts."""
