"""State files, and what TensorFlow makes of them."""

# What tf.train.get_checkpoint_state (TensorFlow 1.15.5) makes of a state file in the directory D:
# its model_checkpoint_path, STOPS where it raises ValueError, NONE where it finds none, as in a
# directory without the file.  tests/stock/test_state.py holds them against it.
STOPS, NONE = "stops", None
RECORDED = [
    (b'model_checkpoint_path: "a"', "D/a"),
    (b"model_checkpoint_path: 'a'  # c", "D/a"),
    (b'model_checkpoint_path: "j\\303\\274rgen/a"', "D/j\u00fcrgen/a"),
    (b'model_checkpoint_path: "/x/\xc3\xbc"', "/x/\u00fc"),
    (b'model_checkpoint_path: "a\\x41\\n"', "D/aA\n"),
    (b'model_checkpoint_path: "a" "b"', "D/ab"),
    (b'model_checkpoint_path: "a"\nmodel_checkpoint_path: "b"', "D/b"),
    (b'model_checkpoint_path: "a";', "D/a"),
    (b'model_checkpoint_path: "../a"', "D/../a"),
    (b'all_model_checkpoint_paths: ["a", "b"] model_checkpoint_path: "a"', "D/a"),
    (b'all_model_checkpoint_timestamps: 1e3 model_checkpoint_path: "a"', "D/a"),
    (b'all_model_checkpoint_timestamps: 1f model_checkpoint_path: "a"', "D/a"),
    (b'all_model_checkpoint_timestamps: nan model_checkpoint_path: "a"', "D/a"),
    (b'last_preserved_timestamp: -1 model_checkpoint_path: "a"', "D/a"),
    (b"", STOPS),
    (b"\n\n", STOPS),
    (b'model_checkpoint_path: ""', STOPS),
    (b'model_checkpoint_path: "a" x: 3', NONE),
    (b'model_checkpoint_path: "\\377"', NONE),
    (b'model_checkpoint_path: ["a"]', NONE),
    (b"model_checkpoint_path: []", NONE),
    (b"model_checkpoint_path { }", NONE),
    (b"model_checkpoint_path: 3", NONE),
    (b"model_checkpoint_path: a", NONE),
    (b'model_checkpoint_path "a"', NONE),
    (b'\xef\xbb\xbfmodel_checkpoint_path: "a"', NONE),
    (b'last_preserved_timestamp: "x" model_checkpoint_path: "a"', NONE),
    (b'last_preserved_timestamp: [1] model_checkpoint_path: "a"', NONE),
    (b'last_preserved_timestamp: true model_checkpoint_path: "a"', NONE),
    (b'last_preserved_timestamp: 0x10 model_checkpoint_path: "a"', NONE),
    (b'[x.y]: 3 model_checkpoint_path: "a"', NONE),
]
