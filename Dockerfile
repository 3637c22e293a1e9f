# graphfix beside TensorFlow 1.15.5 and the stock Object Detection API.
#
#   docker build -t graphfix .
#   docker build -t graphfix --build-arg TAG=1.15.5-gpu-py3 --build-arg ERA=2019-04 .
#   docker build -t graphfix --build-arg BASE=IMAGE .    # NVIDIA's TensorFlow 1.15, CPython 3.8
#
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" graphfix inspect ssd_mobilenet_v1_coco
#
# Another program than graphfix, such as a trainer or a shell:
#
#   docker run --rm -it --user "$(id -u)" -v "$PWD:/work" --entrypoint python3 graphfix \
#     -m object_detection.legacy.train ...
#   docker run --rm -it --user "$(id -u)" -v "$PWD:/work" --entrypoint bash graphfix
#
# Which API an image has: docker inspect -f '{{index .Config.Labels "graphfix.api"}}' graphfix

ARG TAG=1.15.5-py3
ARG BASE=tensorflow/tensorflow:${TAG}
FROM ${BASE}

# The stock API's: 2019-04, 2019-07 or 2021.
ARG ERA=2019-07
LABEL graphfix.api="${ERA}"

# Always --no-deps: the API's distributions ask for packages that would replace the image's
# tensorflow or tensorflow-gpu.
WORKDIR /opt/graphfix
COPY tests/environments/*.txt pins/
RUN python3 -m pip install --no-cache-dir --no-deps -r pins/needs.txt
# One after the other, since a later distribution overwrites files of an earlier one.
RUN xargs -d '\n' -n 1 python3 -m pip install --no-cache-dir --no-deps < pins/api-${ERA}.txt
COPY setup.py LICENSE ./
COPY graphfix graphfix
RUN python3 -m pip install --no-cache-dir --no-deps .

RUN useradd --create-home graphfix
USER graphfix
WORKDIR /work
ENTRYPOINT ["graphfix"]
CMD ["--help"]
