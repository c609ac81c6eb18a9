"""The map of the package: what each file answers. Imports run from the top to the bottom, never back.

``__main__``      which command was asked for
``commands/``     what each command prints: ``run sweep plan status show report compare list ui sync``

``conduct``       which planned trials run, and what becomes of each; ``coordinator/``: its parts
``interrupts``    what Ctrl-C and SIGTERM mean
``report/``       which tables, figures and pages records make
``search/``       which trial is next: a grid's, or what a study proposes; samplers and pruners, one per file
``execution/``    where trials run: worker processes, this process, or a Ray cluster
``visual/``       what a trial's picture shows
``tracking``      when MLflow is told; ``mirror``: what it is told; ``mlflow_server``: where it lies
``store``         what is kept of a trial; ``records``: what a record is; ``folders``, ``formats``: how it is written;
                  ``lock``: who may write
``environment``   what a trial ran on
``statistics/``   how sure a mean over seeds is, and whether two settings differ

``trial``         what one trial is, from setting to scores
``optimise``      how tokens are optimised
``evidence``      what one step draws and shows to the losses, whole or in micro-batches
``localise``      where tokens look, and which keypoint each stands for
``denoise``       what tokens cost the generated views
``results``       what a trial leaves
``demands``       whether model and data can serve a setting, told before anything is opened
``passes``        the keypoint pass and the view pass, with a trial's settings
``scenes``        which scenes a trial sees, rendered and encoded once

``data/``         datasets, one per file; each gives scenes
``models/``       base models, one per file; ``weights/``: those that are shipped
``fusion/``       ways of letting tokens act on the view pass, one per file
``losses/``       loss terms, one per file
``selection/``    ways of choosing K of N tokens, one per file
``metrics/``      families of scores, one per file

``attention/``    how attention is captured, replaced, and laid on the canvas
``images``        pictures with a transparent background, over grey
``maps``          peaks of maps, and how far a map is from a Gaussian
``warps``         affine warps of images and maps, and back
``matching``      which tokens stand for a collection, and which for each keypoint
``sampling``      how latents are drawn from noise, every random number given
``geometry``      where a 3D point lands in each view, and back

``config``        what an experiment's YAML says; ``_settings``, ``_grid``, ``_search``, ``_space``, ``_enqueue``,
                  ``_report`` and ``_yaml``: how it is read
``spec``          what a trial's setting is, and its id; ``space``: what a search draws settings from
``scores``        which way a score is better, and what it is read from
``paths``         what stands at a dotted path such as `fusion.strength`
``plugins``       which variants there are, and their knobs
``tensors``       what the axes are called; where random numbers come from

A file of a kind's folder (data to metrics) is a variant and its name the variant's; one that starts with ``_`` helps.
"""
