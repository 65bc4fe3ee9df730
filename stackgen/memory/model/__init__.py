"""The operations of each kind of block, written once per mechanism; tensors and keys choose among them."""
