"""Records in, words out: tables, figures and verdicts."""
