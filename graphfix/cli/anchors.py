"""The command line of anchors' own verbs; each sets `work`, which gives their Answer.

Apart from their code, which imports more than a command line needs to start.
"""


def add_verbs(parser) -> None:
    """Adds fit, show and apply to the parser of anchors."""
    verbs = parser.add_subparsers(dest="action", metavar="fit|show|apply")
    verbs.required = True
    one = _verb(
        verbs,
        "fit",
        _fit,
        "find the settings of a config's anchor generator that cover the boxes of a data set best",
    )
    _boxes(one, required=True)
    one.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="the anchors file to write, for convert --anchors",
    )
    one.add_argument(
        "--num_anchors",
        type=int,
        metavar="N",
        help="anchors at a location (default: as many as there are)",
    )
    one.add_argument("--seed", type=int, default=0, help="of the search")
    one = _verb(verbs, "show", _show, "draw a config's anchors, and the boxes of a data set")
    _boxes(one, required=False)
    one.add_argument(
        "--anchors", metavar="FILE", help="an anchors file, to set beside the config's"
    )
    one.add_argument("--output_directory", required=True, help="the directory to write")
    one = _verb(
        verbs, "apply", _apply, "put an anchors file into a config, and change nothing else of it"
    )
    one.add_argument("anchors", metavar="ANCHORS", help="the anchors file")
    one.add_argument("--output", required=True, metavar="FILE", help="the config to write")


def _verb(verbs, name: str, work, text: str):
    one = verbs.add_parser(name, help=text, description=text)
    one.set_defaults(work=work)
    one.add_argument("config", metavar="CONFIG", help="a pipeline.config, or its directory")
    one.add_argument("--overwrite", action="store_true", help="replace what is there")
    one.add_argument("--json", action="store_true", help="print the figures as JSON")
    return one


def _boxes(one, required: bool) -> None:
    one.add_argument(
        "--train_record",
        action="append",
        default=[],
        required=required,
        metavar="FILE",
        help="annotated boxes: TFRecords (a path or pattern), COCO JSON, "
        "a CSV table, a directory of Pascal VOC XML; may be repeated",
    )
    one.add_argument("--label_map_path", help="names of the classes, where records have ids")


def _fit(args):
    from graphfix.anchor_fitting.workflow import fit_anchors

    return fit_anchors(
        args.config,
        args.train_record,
        output=args.output,
        overwrite=args.overwrite,
        seed=args.seed % (1 << 32),
        count=args.num_anchors,
        label_map_path=args.label_map_path,
    )


def _show(args):
    from graphfix.anchor_fitting.workflow import show_anchors

    return show_anchors(
        args.config,
        args.train_record,
        output_directory=args.output_directory,
        overwrite=args.overwrite,
        anchors=args.anchors,
        label_map_path=args.label_map_path,
    )


def _apply(args):
    from graphfix.anchor_fitting.workflow import apply_anchors

    return apply_anchors(args.config, args.anchors, output=args.output, overwrite=args.overwrite)
