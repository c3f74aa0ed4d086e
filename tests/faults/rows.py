"""The rows of the catalogue: what goes wrong, what is to come of it, and which tests elsewhere are of the row too.

A test in this folder is of the row that its name begins with. `absent` says why a row has none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    fault: str
    outcome: str
    others: tuple[str, ...] = ()
    absent: str = ""


PROCESSES = "tests/training/test_processes.py::test_"
JOB, DAMAGE = "tests/training/test_job.py::test_", "tests/disk/test_checkpoint_damage.py::test_"
SHARING = "tests/disk/test_sharing.py::test_"
SWEEP, POOL = "tests/launch/test_sweep_faults.py::test_", "tests/launch/test_pool.py::test_"
ARCHIVES, OFFICIAL = "tests/data/test_archives.py::test_", "tests/data/test_official.py::test_"
ROWS = {
    "A1": Row("kill -9 at random, resumed (300 trials are over every trick, fewer over some)", "the bits of a run that nobody stopped",
              ("tests/training/test_kill.py::test_kill_9_at_a_random_moment_and_resume",)),
    "A2": Row("kill -9 at each point of a save", "the newest whole checkpoint; nothing left over"),
    "A3": Row("stopped at a boundary: first, middle, last step of an epoch, of the run, complete", "the same bits; what is complete stays as it is"),
    "A4": Row("stopped in mid-epoch, every trick and many at once", "the same bits",
              ("tests/tricks/test_every_trick.py::test_many_tricks_at_once_train_and_resume",)),
    "A5": Row("another number of decoding processes at the resume", "the same images and bits",
              ("tests/data/test_draw.py::test_a_stream_gives_the_same_bytes_for_any_number_of_workers_and_any_start",
               "tests/training/test_train.py::test_a_stream_trains_and_resumes_with_the_same_bits")),
    "A6": Row("the same on a GPU", "the same bits", absent="tests/training/test_gpu.py, where there is one"),
    "B1": Row("a file cut off: of a finished run, of the newest checkpoint", "found or harmless; the checkpoint before is used"),
    "B2": Row("one bit flipped, or 4 KiB zeroed", "found; the checkpoint before is used",
              (DAMAGE + "every_flipped_bit_is_found", DAMAGE + "every_byte_of_the_manifest_counts")),
    "B3": Row("every checkpoint bad", "exit 6, one line, nothing deleted, nothing begun anew",
              (DAMAGE + "where_all_are_damaged_it_is_one_line_and_nothing_is_deleted",)),
    "B4": Row("random bytes behind a right manifest", "read, or the one error"),
    "B5": Row("run.json or metrics.csv missing, empty, edited, of another time", "made again from the checkpoint, or kept beside",
              ("tests/disk/test_rundir.py::test_a_run_that_does_not_say_which_it_is_is_not_reused",
               JOB + "rows_that_were_lost_or_edited_before_a_resume_are_the_checkpoints",
               JOB + "damaged_files_of_a_finished_run_are_kept_and_made_again")),
    "C1": Row("the disk fills, or turns read-only, at any write, rename or mkdir", "exit 7, one line; with room again the same bits"),
    "C2": Row("a folder that may not be written", "exit 7 before any training, nothing made",
              ("tests/disk/test_rundir.py::test_a_root_that_cannot_be_written_is_one_line_and_nothing_is_made",)),
    "C3": Row("EIO at any write or fsync", "exit 7, the file before is kept; the same bits"),
    "C4": Row("the run's folder removed while it trains", "exit 7, no half of it is made again"),
    "C5": Row("the lease of a network file system's lock runs out while it trains", "exit 7, nothing more is written; the same bits once it goes on",
              (SHARING + "a_lost_lock_is_noticed_before_anything_is_written", SHARING + "a_lock_that_is_named_another_s_by_now_is_not_written_over")),
    "C6": Row("files that another host replaces (ESTALE), folders that are seen late", "read in the end, never absent; no run is made twice",
              (SHARING + "a_run_that_cannot_be_read_for_now_is_never_absent", SHARING + "a_run_that_another_host_made_is_found_however_late_its_name_is_seen")),
    "D1": Row("SIGINT, SIGTERM, SIGUSR1, SIGHUP at random, in a step, a save, an evaluation", "saved, exit 75, the same bits",
              ("tests/training/test_kill.py::test_a_signal_saves_and_exits_75",)),
    "D2": Row("a second SIGINT while it saves", "stops at once, the save before is whole"),
    "D3": Row("nobody reads its output any more", "it goes on", (POOL + "nobody_listening_stops_no_run", "tests/training/test_progress.py::test_a_terminal_that_goes_away_does_not_stop_a_run")),
    "E1": Row("a loss or a weight that is not finite", "exit 4 with the update; the last finite save is kept",
              (JOB + "a_diverged_run_keeps_its_last_finite_checkpoint", JOB + "weights_that_are_not_finite_are_not_saved",
               JOB + "a_last_step_that_spoils_a_weight_diverges", JOB + "a_weight_that_is_not_finite_within_an_epoch_keeps_the_last_good_save")),
    "E2": Row("no memory: the run, or a process that decodes for it", "recorded with its reason; goes on",
              (JOB + "a_failure_is_recorded_with_its_traceback_and_can_be_continued",)),
    "E3": Row("sys.exit, an interrupt, a segmentation fault, a hang, in one run of several", "recorded; the others run",
              (POOL + "a_run_past_its_time_limit_is_asked_to_stop_and_has_failed", "tests/launch/test_sweep.py::test_a_run_that_is_killed_is_recorded_and_the_others_run")),
    "F1": Row("a hundred runs, ten with a fault each", "90 good, 10 named; again: those that failed alone",
              (SWEEP + "of_a_hundred_runs_the_ten_bad_ones_are_recorded_and_only_those_that_failed_run_again",)),
    "F2": Row("kill -9 of the driver at random", "none lost, none made twice",
              (SWEEP + "a_driver_that_is_killed_three_times_loses_and_repeats_nothing", SWEEP + "real_runs_survive_a_driver_that_is_killed_three_times")),
    "F3": Row("eight processes on one run; two launches on one grid", "one has it, the others say whose it is",
              ("tests/disk/test_lock.py::test_of_eight_that_start_at_once_one_has_the_run", POOL + "two_launches_share_the_runs")),
    "F4": Row("runs that start in the same moment", "a folder each", ("tests/disk/test_lock.py::test_eight_different_runs_of_one_name_have_eight_folders",)),
    "G1": Row("tables made while runs train", "each parses, none shrinks", ("tests/disk/test_record.py::test_a_reader_never_sees_a_torn_row",)),
    "G2": Row("kill -9 within a row", "at most the last row is lost, and is cut off"),
    "G3": Row("several processes append to one table", "every row is there"),
    "H1": Row("a config file that is malformed, binary, huge, deep, a bomb", "exit 2, one line",
              ("tests/disk/test_config_file.py::test_what_is_wrong_with_a_file_is_one_line_with_its_name",)),
    "H2": Row("a mistyped key", "exit 2, one line"),
    "H3": Row("a value of another type or out of its range", "exit 2 with key, value and range",
              ("tests/config/test_schema.py::test_ranges_at_their_boundaries", "tests/config/test_schema.py::test_wrong_values_are_one_line_that_names_the_key")),
    "H4": Row("options that are not there, or not together", "exit 2 with the choices", ("tests/config/test_compose.py::test_what_is_wrong_is_one_line_with_the_nearest_match",)),
    "H5": Row("one bad point of a multirun", "refused before the first run", ("tests/test_cli.py::test_bad_input_is_one_line_and_creates_nothing",)),
    "I1": Row("data missing, damaged, cut off, of another shape", "exit 5, one line; nothing is unpickled unchecked",
              (ARCHIVES + "an_archive_that_is_cut_off_anywhere_is_never_a_smaller_set", OFFICIAL + "a_batch_with_another_checksum_is_neither_unpickled_nor_replaced",
               OFFICIAL + "an_archive_with_another_checksum_is_neither_extracted_nor_replaced")),
    "I2": Row("a download that breaks off", "one line; nothing half in place", (OFFICIAL + "what_is_absent_and_cannot_be_had_is_one_line_of_advice", OFFICIAL + "a_download_is_moved_into_place")),
    "S1": Row("weights and checkpoints that are pickles, or hold some", "refused; nothing ran"),
    "S2": Row("configs with `_target_`, Hydra's nodes, tags, interpolations", "refused; nothing ran, nothing was told"),
    "S3": Row("a checkpoint whose state names classes and paths", "refused", (JOB + "a_state_that_no_run_of_it_has_is_refused_in_a_line",)),
    "S4": Row("names and archives that lead out of their folder", "refused", ("tests/disk/test_rundir.py::test_hostile_names_are_refused_in_one_line", ARCHIVES + "names_that_lead_out_are_refused")),
    "S5": Row("runs from elsewhere whose words are HTML, formulas, sequences, LaTeX", "shown as words"),
    "S6": Row("bombs: images, archives, tensors of 10^11 numbers", "refused before they are read",
              (DAMAGE + "absurd_sizes_are_refused_before_anything_is_read", ARCHIVES + "bombs_and_corrupt_images_are_named")),
    "S7": Row("dependencies with known holes", "floors above them"),
    "T1": Row("a clock that jumps", "the same bits, no negative duration"),
    "T2": Row("another config at the resume", "another run, the first untouched; cosmetic keys go on"),
    "T3": Row("other code, data or threads at the resume", "another run, which is said",
              (JOB + "a_run_whose_code_has_changed_is_stale_and_stays", JOB + "other_data_is_another_run")),
    "T4": Row("another number of processes that share a run", "another run, which is said by its identity",
              (PROCESSES + "the_number_of_processes_is_part_of_the_identity_but_for_one",)),
    "T5": Row("one of the processes of a run dies, or gives no sign of life", "the run ends within 30 s and names it; the same bits once it goes on",
              (PROCESSES + "stopped_and_robbed_of_a_process_it_ends_with_the_same_bits", PROCESSES + "a_process_that_gives_no_sign_of_life_is_named")),
    "T6": Row("locale C, spaces, long paths, few open files, no home", "it works"),
}  # fmt: skip

if __name__ == "__main__":  # what `make test-faults` collects
    print("tests/faults", *sorted({node.partition("::")[0] for row in ROWS.values() for node in row.others}))
