"""How fast and how exact are the vector indexes, beside Faiss alone and beside other libraries?"""
