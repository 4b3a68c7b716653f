import Node

// The main actor is slow to hop to and from: everything runs on the pool.
await Task.detached { await Entente.main() }.value
