"""Lines of the logs of healthy trainings, evaluations and exports, made at random."""

import random
import string
import textwrap

_LAYERS = (
    "FeatureExtractor/MobilenetV2/expanded_conv_3/depthwise",
    "BoxPredictor_0/ClassPredictor/weights",
    "FirstStageFeatureExtractor/resnet_v1_50/block1/unit_1/bottleneck_v1/conv1",
    "SecondStageBoxPredictor/Conv_2/biases",
    "WeightSharedConvolutionalBoxPredictor/ClassPredictor",
)
_TEMPLATES = (
    "{stamp}: I tensorflow/core/platform/cpu_feature_guard.cc:142] Your CPU supports instructions "
    "that this TensorFlow binary was not compiled to use: AVX2 FMA",
    "{stamp}: I tensorflow/core/platform/profile_utils/cpu_utils.cc:94] CPU Frequency: {big} Hz",
    "{stamp}: I tensorflow/compiler/xla/service/service.cc:168] XLA service 0x{hex} initialized "
    "for platform Host (this does not guarantee that XLA will be used). Devices:",
    "{stamp}: I tensorflow/compiler/xla/service/service.cc:176]   StreamExecutor device (0): Host, "
    "Default Version",
    "{stamp}: I tensorflow/stream_executor/platform/default/dso_loader.cc:44] Successfully opened "
    "dynamic library libcudart.so.10.0",
    "{stamp}: I tensorflow/core/common_runtime/gpu/gpu_device.cc:1618] Found device 0 with "
    "properties: name: Tesla K80 major: 3 minor: 7 memoryClockRate(GHz): 0.8235",
    "{stamp}: I tensorflow/core/common_runtime/gpu/gpu_device.cc:1326] Created TensorFlow device "
    "(/job:localhost/replica:0/task:0/device:GPU:0 with {n} MB memory) -> physical GPU",
    "{stamp}: W tensorflow/core/common_runtime/colocation_graph.cc:983] Failed to place the graph "
    "without changing the devices of some resources.",
    "{stamp}: W tensorflow/core/framework/cpu_allocator_impl.cc:81] Allocation of {big} exceeds "
    "10% of system memory.",
    "{stamp}: I tensorflow/core/kernels/data/shuffle_dataset_op.cc:101] Reading {n} of {n} shards",
    "{absl} model_lib.py:628] Maybe overwriting train_steps: {n}",
    "{absl} model_lib.py:628] Maybe overwriting use_bfloat16: False",
    "{absl} model_lib.py:632] Ignoring config override key: num_eval_imgs",
    "{absl} model_lib.py:759] Expected number of evaluation epochs is 1, but instead encountered "
    "`eval_on_train_input_config.num_epochs` = 0. Overwriting `num_epochs` to 1.",
    "{absl} dataset_builder.py:83] num_readers has been reduced to {d} to match input file shards.",
    "{absl} deprecation.py:323] From /usr/lib/python3.7/site-packages/object_detection/inputs.py:"
    "{n}: to_float (from tensorflow.python.ops.math_ops) is deprecated and will be removed in a "
    "future version.",
    "Instructions for updating:",
    "Use `tf.cast` instead.",
    "Please switch to tf.train.get_or_create_global_step",
    "WARNING:tensorflow:From model_main.py:{n}: The name tf.app.run is deprecated. Please use "
    "tf.compat.v1.app.run instead.",
    "WARNING:tensorflow:Entity <function _combined_static_and_dynamic_shape at 0x{hex}> could not "
    "be transformed and will be executed as-is.",
    "WARNING:tensorflow:Estimator's model_fn (<function create_model_fn.<locals>.model_fn at "
    "0x{hex}>) includes params argument, but params are not passed to Estimator.",
    "INFO:tensorflow:Using config: {{'_model_dir': 'training', '_tf_random_seed': None, "
    "'_save_summary_steps': 100, '_save_checkpoints_steps': None, '_num_ps_replicas': 0}}",
    "INFO:tensorflow:depth of additional conv before box predictor: 0",
    "INFO:tensorflow:Scale of 0 disables regularizer.",
    "INFO:tensorflow:Create CheckpointSaverHook.",
    "INFO:tensorflow:Graph was finalized.",
    "INFO:tensorflow:Running local_init_op.",
    "INFO:tensorflow:Done running local_init_op.",
    "INFO:tensorflow:Starting Session.",
    "INFO:tensorflow:Starting Queues.",
    "INFO:tensorflow:Saving checkpoints for {n} into training/model.ckpt.",
    "INFO:tensorflow:Restoring parameters from training/model.ckpt-{n}",
    "INFO:tensorflow:loss = {f}, step = {n} ({f} sec)",
    "INFO:tensorflow:global_step/sec: 0.{n}",
    "INFO:tensorflow:global step {n}: loss = {f} ({f} sec/step)",
    "{absl} basic_session_run_hooks.py:262] loss = {f}, step = {n}",
    "{absl} basic_session_run_hooks.py:692] global_step/sec: {f}",
    "{absl} saver.py:1284] Restoring parameters from training/model.ckpt-0",
    "{absl} estimator.py:1147] Calling model_fn.",
    "INFO:tensorflow:Evaluation [{d}/{n}]",
    "INFO:tensorflow:Saving dict for global step {n}: DetectionBoxes_Precision/mAP = {f}, "
    "DetectionBoxes_Recall/AR@1 = 0.0, Loss/classification_loss = {f}",
    "INFO:tensorflow:Skip the current checkpoint eval due to throttle secs (600 secs).",
    " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.000",
    " Average Precision  (AP) @[ IoU=0.50      | area= small | maxDets=100 ] = -1.000",
    " Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=  1 ] = {f}",
    "Accumulating evaluation results...",
    "DONE (t={f}s).",
    "creating index...",
    "index created!",
    "Running per image evaluation...",
    "Evaluate annotation type *bbox*",
    "/usr/lib/python3.7/site-packages/tensorflow/python/framework/dtypes.py:{n}: FutureWarning: "
    "Passing (type, 1) or '1type' as a synonym of type is deprecated; in a future version of numpy,"
    " it will be understood as (type, (1,)) / '(1,)type'.",
    '  _np_qint8 = np.dtype([("qint8", np.int8, 1)])',
    "INFO:root:Reading unweighted datasets: ['data/train.record']",
    "INFO:tensorflow:Variable [{layer}] restored, shape [1, 1, {n}, {n}]",
    "INFO:tensorflow:Froze {n} variables.",
    "INFO:tensorflow:Converted {n} variables to const ops.",
    "INFO:tensorflow:No assets to save.",
    "INFO:tensorflow:SavedModel written to: out/saved_model/saved_model.pb",
    "{layer} (FLOAT, [1,{n},{n},{d}]) map_fn Dataset_map_process_fn_70 output_shapes=[[],[?,4],[?],"
    "[300,300,3]]",
    "params: 23.{n}m, flops 1.{d}b, shape (0, 4), 0 of 0 missing, id 0, map 0 of 6",
    "[{stamp}] eth0: link is up, 0 errors, map 00-{d}f",
    "==============================",
    "",
    "2 ops no flops stats due to incomplete shapes.",
    "Parsing Inputs... node name | # parameters {n} of {n}",
    "total {n} drwxr-xr-x 2 user user 4096 training model.ckpt-{n}.index",
    "(tensorflow1) C:\\models\\research\\object_detection>python train.py --logtostderr",
    "user@host:~/models/research$ python3 object_detection/model_main.py --model_dir=training",
    "label map has {d} items, file not found in cache, key error count 0, no such option used",
)


def line(generator):
    """One line."""

    def number(most=2000):
        return str(generator.randrange(1, most))

    stamp = "2020-05-{:02d} 10:{:02d}:{:02d}.{:06d}".format(
        *(generator.randrange(n) for n in (28, 60, 60, 1000000))
    )
    values = {
        "stamp": stamp,
        "absl": f"{generator.choice('IW')}0710 15:06:50.361298 {generator.randrange(10**5)}",
        "n": number(),
        "d": number(9),
        "big": number(10**10),
        "f": f"{generator.uniform(0.02, 9):.4f}",
        "hex": "".join(generator.choice(string.hexdigits) for _ in range(12)),
        "layer": generator.choice(_LAYERS),
    }
    return generator.choice(_TEMPLATES).format(**values)


def lines(generator, count):
    return [line(generator) for _ in range(count)]


def every_template():
    """One line of each."""
    generator = random.Random(0)
    values = dict.fromkeys("stamp absl n d big f hex layer".split(), "")
    for template in _TEMPLATES:
        values.update(stamp="2020-05-01 10:00:00.5", absl="I0710 15:06:50.361298 12", n="12", d="3")
        values.update(big="123456789", f="0.5", hex="7f00", layer=generator.choice(_LAYERS))
        yield template.format(**values)


def broken_into(text, width, in_mid_word):
    """A text as a console of so many columns, or a mail program, breaks its lines."""
    out = []
    for one in text.split("\n"):
        if in_mid_word:
            out += [one[at : at + width] for at in range(0, max(len(one), 1), width)]
        else:
            out += textwrap.wrap(one, width, drop_whitespace=True) or [""]
    return "\n".join(out)
