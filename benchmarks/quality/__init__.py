"""Does it find the right thing? Retrieval quality on public sets, on captions, and on composed queries."""
