"""Files that people have: corpora, prompts and answers, read one way and written whole."""
