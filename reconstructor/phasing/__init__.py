"""Problem -> Estimates. This package knows no detector, no service and no laboratory frame; it could leave the house.

    from reconstructor.phasing import engine, population, recipe_file
    from reconstructor.phasing.kernels import cpu
    from reconstructor.phasing.population import Member
    from reconstructor.phasing.problem import Problem, Start, free_pixels

    measured = np.ones(counts.shape, bool)                  # counts: float32, (rocking, row, column)
    free = free_pixels(counts.shape, measured, seed=0)      # one mask a scan
    problem = Problem(counts, known=measured & ~free, free=free)
    recipe = recipe_file.default("refined")
    kernel = cpu.choose(problem.shape, threads=1)           # one instance a thread; runs follow each other on it
    members = []
    for seed in range(5):
        for estimate in engine.run(recipe, problem, Start(), kernel, seed):
            ...                                             # estimate.iteration of estimate.iterations
        members.append(Member(estimate, seed))              # the last one is the result of a run
    choice = population.choose(members)                     # rejection, then free LLK
    best = members[choice.best].estimate                    # best.obj, best.support, best.misfit
    mode = population.first_mode(members, choice)           # what the runs kept have in common

- `problem`     Problem (counts, known, free, response, background), Start (obj, support), Estimate, Misfit,
                PhasingError, `amplitude(problem)`, `free_pixels(shape, measured, seed, share, radius)`
- `recipe`      Recipe (name, stages, beginning, runs, guided; iterations, cost), Stage, Step, Shrinkwrap, TwinRemoval,
                Coherence, Guided, `scaled(recipe, iterations)`
- `notation`    `parse(line, name) -> Recipe`, `written(recipe) -> line`, `sha256(recipe)`, NotationError; its words
                are in `vocabulary`
- `recipe_file` `default("refined" | "provisional" | "partial")`, `load(path)`, `read(text, origin)`
- `engine`      `run(recipe, problem, start, kernel, seed, every=20) -> Iterator[Estimate]`
- `program`     `cost(recipe, problem, start)`: iterations of a run on this problem in units of one at full size
- `kernel`      the protocol; `kernels.reference.ReferenceKernel()`, `kernels.cpu.choose(shape, threads)`
- `poisson`     `descend`: maximum likelihood by conjugate gradients, on NumPy's arrays or a device's
- `coherence`   `pseudo_voigt(reach)`, `updated(psf, intensity, problem, iterations)`: partial coherence
- `quality`     `misfit(problem, obj, support_voxels) -> Misfit`, `mean_to_max`, PRTF
- `alignment`   `aligned(reference, obj)`, `overlap(a, b)`: over hand, sub-voxel shift and constant phase
- `population`  rejection, choice by free LLK, alignment, first eigenmode and its weight
- `guided`      `children(members, guided)`: how the runs of the next generation begin
- `support`, `resolution`, `sizes` (`largest_fast`, `nearest_fast`, `FAST`), `projections`, `steps`, `schedule`

Natural order everywhere outside the kernels: data with the Bragg peak at n // 2, object centred at n // 2, axes
(rocking, row, column), forward FFT from object to diffraction.
"""
