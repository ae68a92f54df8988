"""Training a Qwen2-VL model: the trainee, its vision cache, merging an adapter."""
