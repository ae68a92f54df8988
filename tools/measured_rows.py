"""The rows of the table of measurements in `docs/results.md`: the target, and the committed file with the number."""

from __future__ import annotations

from tools.measured_answers import ANSWERS
from tools.measured_row import Row

_CLIPS, _TO_IMAGE, _TO_TEXT = "clips / text_to_clip", "photos / text_to_image", "photos / image_to_text"
_FIVE_TO_IMAGE = "text_to_image, five captions recall_at_1"
_FIVE_TO_TEXT = "image_to_text, five captions recall_at_10"
_UNSEEN = "unseen / recall_at_1"
_EQUAL = "caption_asks / as many photos as captions"
_MILLION = "1000000x384 / checks"
_RESIDENT = f"{_MILLION} / default: resident memory by that of float32 rows / reached"
_CHANGES = f"{_MILLION} / changes until they are found: time by that of a rebuild / reached"

GROUPS: dict[str, tuple[Row, ...]] = {
    "Finding photos and clips by their captions": (
        Row("A caption finds its clip among 79, R@10", "≥ 90 %", "retrieval", f"{_CLIPS} / recall_at_10", "{:.1f} %"),
        Row(
            "A caption finds its photo among 1000, R@1", "≥ 24 %", "retrieval", f"{_TO_IMAGE} / recall_at_1", "{:.1f} %"
        ),
        Row("The same, R@10", "≥ 65 %", "retrieval", f"{_TO_IMAGE} / recall_at_10", "{:.1f} %"),
        Row(
            "A photo finds its caption among 1000, R@10",
            "≥ 70 %",
            "retrieval",
            f"{_TO_TEXT} / recall_at_10",
            "{:.1f} %",
        ),
        Row(
            "Any of five captions finds its photo, R@1",
            "≥ 24 %",
            "starter-seeds",
            f"shipped / {_FIVE_TO_IMAGE}",
            "{:.1f} %",
        ),
        Row(
            "The same, mean of the three heads, each alone",
            "≥ 24 %",
            "starter-seeds",
            f"mean / {_FIVE_TO_IMAGE}",
            "{:.1f} %",
        ),
        Row(
            "A photo finds one of its five captions, R@10",
            "≥ 70 %",
            "starter-seeds",
            f"shipped / {_FIVE_TO_TEXT}",
            "{:.1f} %",
        ),
        Row(
            "The same, mean of the three heads, each alone",
            "≥ 70 %",
            "starter-seeds",
            f"mean / {_FIVE_TO_TEXT}",
            "{:.1f} %",
        ),
        Row(
            "Queries of one word, 40 of them: share of right hits among the first five",
            "",
            "retrieval",
            "labels / precision_at_5",
            "{:.1f} %",
        ),
    ),
    "Composed queries": (
        Row(
            "A photo and an edit in words find the edited photo; formulas and wordings that training never sees, R@1",
            "above the next",
            "composed",
            f"{_UNSEEN} / composed / all",
            "{:.1f} %",
        ),
        Row("The same by the best late fusion", "", "composed", f"{_UNSEEN} / late_fusion / all", "{:.1f} %"),
        Row("The same with the photo alone", "", "composed", f"{_UNSEEN} / image_only / all", "{:.1f} %"),
        Row("The same with the words alone", "", "composed", f"{_UNSEEN} / text_only / all", "{:.1f} %"),
        Row(
            "Unseen edits that the encoder has no rule for",
            "not below the next",
            "composed",
            f"{_UNSEEN} / composed / unruled",
            "{:.1f} %",
        ),
        Row("The same by the best late fusion", "", "composed", f"{_UNSEEN} / late_fusion / unruled", "{:.1f} %"),
        Row(
            "The seven edits of training in other words",
            "≥ 85 %",
            "composed",
            "seen / recall_at_1 / composed / all",
            "{:.1f} %",
        ),
        Row(
            "The same by the best late fusion",
            "",
            "composed",
            "seen / recall_at_1 / late_fusion / all",
            "{:.1f} %",
        ),
        Row(
            "A photo and a sentence that changes one word of its caption find a photo of it among 1000, R@10",
            "≥ 39 %, 1.5 times the next",
            "mined",
            "recall / composed / recall_at_10",
            "{:.1f} %",
        ),
        Row("The same by the best late fusion", "", "mined", "recall / late_fusion / recall_at_10", "{:.1f} %"),
        Row(
            "Upper bound: the query describes in words what the wanted photo shows",
            "",
            "mined",
            "recall / described / recall_at_10",
            "{:.1f} %",
        ),
    ),
    "Photos and captions in one ranked list": (
        Row(
            "The right item is in the first ten, calibrated scores, mean of three mixes",
            "above the next two",
            "mixed",
            "caption_asks / mean / calibrated",
            "{:.3f}",
        ),
        Row("The same by reciprocal rank fusion", "", "mixed", "caption_asks / mean / rank fusion", "{:.3f}"),
        Row("The same by raw cosine", "", "mixed", "caption_asks / mean / raw cosine", "{:.3f}"),
        Row("As many photos as captions, calibrated scores", "", "mixed", f"{_EQUAL} / calibrated", "{:.3f}"),
        Row("As many photos as captions, reciprocal rank fusion", "", "mixed", f"{_EQUAL} / rank fusion", "{:.3f}"),
    ),
    "Answers of a whole collection": ANSWERS,
    "What is relevant": (
        Row(
            "The best of 600 photos tells captions of one of them from things that are on none, AUC",
            "≥ 0.85",
            "calibration",
            "answers / auc_of_captions_against_absent",
            "{:.3f}",
        ),
        Row("The same from nonsense", "≥ 0.97", "calibration", "answers / auc_of_captions_against_nonsense", "{:.3f}"),
        Row(
            "Right photos of captions that are called weak",
            "≤ 0.10",
            "calibration",
            "answers / right_items_below_the_floor",
            "{:.3f}",
        ),
        Row(
            "Expected calibration error of captions and photos, where one pair in a hundred is related",
            "",
            "calibration",
            "pairs / text -> image / expected_calibration_error",
            "{:.4f}",
        ),
    ),
    "Indexing": (
        Row(
            "The starter, photos a second, decoding included",
            "≥ 80",
            "starter-speed",
            "photos_per_s / median",
            "{:.0f}",
        ),
        Row("The starter, texts a second", "≥ 200", "starter-speed", "texts_per_s / median", "{:.0f}"),
        Row(
            "`index` of photos, speed divided by that of decoding and encoding alone",
            "≥ 0.85",
            "ingest",
            "photos / median_round / ratio_to_bound",
            "{:.3f}",
        ),
        Row("`index`, photos a second", "", "ingest", "photos / median_round / index_items_per_s", "{:.0f}"),
        Row(
            "`index` of clips, speed divided by that of decoding and encoding alone",
            "≥ 0.85",
            "ingest",
            "clips / median_round / ratio_to_bound",
            "{:.3f}",
        ),
        Row("`index`, clips a second", "", "ingest", "clips / median_round / index_items_per_s", "{:.1f}"),
        Row(
            "Peak memory for 10,000 images above the peak for 1,000",
            "≤ 300 MiB",
            "ingest",
            "memory / difference_mib",
            "{:.0f} MiB",
        ),
        Row(
            "Peak memory of `import`, a million vectors of 512 dimensions in one shard",
            "≤ 954 MiB",
            "import-memory",
            "1000000x512 float32 / peak_mib",
            "{:.0f} MiB",
        ),
        Row(
            "Without models: indexing 3000 photos, seconds",
            "at most rclip's",
            "peers",
            "rclip / unite-search / index / wall_s",
            "{:.1f}",
        ),
        Row("The same by rclip 3.3, seconds", "", "peers", "rclip / rclip / index / wall_s", "{:.1f}"),
    ),
    "Starting and searching": (
        Row("`unite-search --help`, CPU time", "≤ 0.35 s", "startup", "median_cpu_s / help", "{:.2f} s"),
        Row(
            "Text query over 10,000 items, whole process, CPU time",
            "≤ 1.3 s",
            "startup",
            "median_cpu_s / query",
            "{:.2f} s",
        ),
        Row(
            "Query of an open collection of a million items, seconds",
            "",
            "scaling",
            "by_size / 1000000 / query_s",
            "{:.3f}",
        ),
        Row(
            "A million vectors of 384 dimensions: times faster than the exact scan",
            "≥ 80",
            "speed-search",
            f"{_MILLION} / default: times faster than the float32 scan / reached",
            "{:.0f}",
        ),
        Row("The same, recall@10", "≥ 0.99", "speed-search", f"{_MILLION} / default: recall@10 / reached", "{:.3f}"),
        Row(
            "The same, resident memory after a search divided by that of float32 rows",
            "≤ 0.35",
            "speed-files",
            _RESIDENT,
            "{:.2f}",
        ),
        Row(
            "The same, time of 10,000 upserts and 10,000 deletions divided by that of a rebuild",
            "≤ 0.05",
            "speed-changes",
            _CHANGES,
            "{:.4f}",
        ),
    ),
    "Serving": (
        Row(
            "Text query over HTTP, 100,000 items, one client: time divided by that of encoder and index alone",
            "≤ 1.5",
            "serve",
            "p50_over_bare",
            "{:.2f}",
        ),
        Row(
            "Ten minutes of queries to 100,000 items while another process indexes: errors",
            "0",
            "serve-soak",
            "errors",
            "{:.0f}",
        ),
        Row("The same, queries answered", "", "serve-soak", "queries", "{:.0f}"),
        Row(
            "The same, longest time until a new item is found, seconds",
            "",
            "serve-soak",
            "found_after_s / max",
            "{:.2f}",
        ),
        Row(
            "The same, own memory in the second minute, MB",
            "flat",
            "serve-soak",
            "own_memory_mb / second_minute",
            "{:.0f}",
        ),
        Row(
            "The same, own memory in the last minute, MB", "flat", "serve-soak", "own_memory_mb / last_minute", "{:.0f}"
        ),
    ),
    "UNITE models and training": (
        Row(
            "Tokens computed for each real token; texts, photos and clips, batches by length",
            "≤ 1.10",
            "unite-batching",
            "padding / by_length",
            "{:.3f}",
        ),
        Row(
            "The same in batches of 8 in order of arrival",
            "≥ 1.8",
            "unite-batching",
            "padding / arrival_order_batches_of_8",
            "{:.2f}",
        ),
        Row(
            "Speed of `encode` divided by that of the model alone, random weights, 30 million parameters",
            "≥ 0.9",
            "unite-batching",
            "speed / 30 million parameters / median_ratio",
            "{:.2f}",
        ),
        Row(
            "The same with the tiny checkpoint, where preparation takes longer than the model",
            "≥ 0.9",
            "unite-batching",
            "speed / tiny / median_ratio",
            "{:.3f}",
        ),
        Row(
            "GradCache: peak memory of a batch of 4096 texts divided by that of 64, in the same chunks",
            "≤ 1.3",
            "grad-cache",
            "paraphrases / memory_ratio",
            "{:.2f}",
        ),
        Row(
            "GradCache: time a row divided by that of plain training, texts",
            "≤ 1.45",
            "grad-cache",
            "paraphrases / time_ratio",
            "{:.2f}",
        ),
        Row(
            "GradCache: time a row divided by that of plain training, captions and photos",
            "≤ 1.45",
            "grad-cache",
            "captions / time_ratio",
            "{:.2f}",
        ),
    ),
    "Safety of the data": (
        Row("Commands killed by SIGKILL", "≥ 150", "reliability-kills", "kills", "{:.0f}"),
        Row("Files lost, changed or embedded again", "0", "reliability-kills", "lost", "{:.0f}"),
        Row("Commands of one step that were seen done in part", "0", "reliability-kills", "half_done", "{:.0f}"),
        Row("Single flipped bits that nobody noticed", "0", "reliability-flips", "missed", "{:.0f}"),
        Row("Damaged media files beside good photos", "≥ 700", "reliability-media", "files", "{:.0f}"),
        Row("Photos lost beside files without end", "0", "reliability-budget", "photos_missing", "{:.0f}"),
        Row("Wrong answers of 100 readers beside a writer", "0", "reliability-readers", "wrong_answers", "{:.0f}"),
        Row("MB written by one text added to 30,000", "≤ 1", "small-writes", "one_text / mean_written_mb", "{:.2f}"),
        Row("Size left by 300 runs by that of one run, 300 files", "≤ 3", "small-writes", "files / ratio", "{:.2f}"),
        Row("Good files indexed that lie among bad ones", "8", "bad-files", "good_files_indexed", "{:.0f}"),
        Row("Bad files named with a reason", "13", "bad-files", "bad_files_named_with_a_reason", "{:.0f}"),
        Row(
            "Time until 58 photos are encoded beside a log of 3 MB, divided by that without it",
            "≤ 1.1",
            "one-file",
            "photos_beside_a_log / ratio",
            "{:.2f}",
        ),
        Row(
            "Time of a message with an image, divided by a pickle",
            "≤ 1",
            "one-file",
            "messages / image / ratio",
            "{:.2f}",
        ),
        Row(
            "Time of a message with a clip, divided by a pickle", "≤ 1", "one-file", "messages / clip / ratio", "{:.2f}"
        ),
    ),
}
