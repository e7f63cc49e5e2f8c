"""What the state machine over two hosts is made of."""
