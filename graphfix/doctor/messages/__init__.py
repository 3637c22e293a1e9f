"""What error messages of TensorFlow, the stock API and the tools around them mean.

pasted.py takes a text apart, message_table.py reads the table (the .txt files of this folder),
explain.py looks the messages up, memory.py forecasts what a trainer's queues will hold.
"""
