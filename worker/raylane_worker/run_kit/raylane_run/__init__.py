"""What is shipped beside a generated script: it starts the script and reads tables. It imports nothing of Raylane."""
