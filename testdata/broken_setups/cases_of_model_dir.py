"""model_dir, with what is there already."""

from broken_setups.variables import tensors, trained


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    yield (
        case("model_dir_is_a_file", "MODEL_DIR_FILE")
        .file("training", b"")
        .flag("--model_dir", "broken/model_dir_is_a_file/training")
    )
    yield case("model_dir_of_other_classes", "MODEL_DIR_SHAPES").model_dir(trained(classes=3))
    yield case("published_model_in_model_dir", "MODEL_DIR_INCOMPLETE").model_dir(
        tensors(), "model.ckpt"
    )
    yield case("model_dir_is_done", "MODEL_DIR_DONE").model_dir(
        trained(step=6000), "model.ckpt-6000"
    )
    yield (
        case("model_dir_state_of_another_program", "MODEL_DIR_STATE")
        .model_dir(None)
        .file("training/checkpoint", b"latest = model.ckpt-100\n")
    )
    yield case("model_dir_names_another_machine", "MODEL_DIR_LOST").model_dir(
        None, state="/home/somebody/training/model.ckpt-100"
    )
    yield case("model_dir_resumes", "MODEL_DIR_RESUMES").model_dir(trained())
