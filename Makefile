# make demo     what INT8, NF4, AWQ, Q4_K_M and Q8_0 cost the small model that ships with bitloss
# make smollm2  the same for the real SmolLM2-135M-Instruct; TEXT=/path/to/wiki.test.raw for WikiText-2
# make test     all tests
# make test-gpu all of a GPU's tests on this machine: bits, whole studies beside the CPU's, figures
# make build    build/release/bitloss
# make install  program, model and texts to PREFIX (/usr/local); the folder may be moved as a whole
# make bundle   build/release/bundle/bitloss-VERSION-linux-x86_64.tar.gz, which runs on any Linux since glibc 2.36
# make wheel    build/wheel/wheel/bitloss-VERSION-cp310-abi3-*.whl: the same for pip, and the Python module
# make deb      build/release/packages/*.deb

JOBS ?= $(shell nproc)
BITLOSS := build/release/bitloss
SCHEMES ?=
OUT ?= runs

PREFIX ?= /usr/local

.PHONY: demo smollm2 test test-gpu build install bundle deb check clean wheel

demo: build
	$(BITLOSS) run $(if $(SCHEMES),--schemes $(SCHEMES)) --out $(OUT)/demo

smollm2: build
	$(BITLOSS) run "$$(tools/fetch-smollm2)" $(if $(SCHEMES),--schemes $(SCHEMES)) $(if $(TEXT),--text $(TEXT) --protocol lines-512-seed) \
	  --out $(OUT)/smollm2

build:
	@tools/setup
	@cmake --preset release >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
	@rm -f build-configure.log
	cmake --build --preset release -j $(JOBS) --target program

test:
	@tools/setup --tests
	@cmake --preset dev >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
	@rm -f build-configure.log
	cmake --build --preset dev -j $(JOBS)
	ctest --test-dir build/dev -j $(JOBS) --output-on-failure -LE 'acceptance|peer|slow'

test-gpu:
	@tools/setup --tests
	@cmake --preset release -DBITLOSS_TESTS=ON >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
	@rm -f build-configure.log
	cmake --build --preset release -j $(JOBS) --target program cuda_backend_test cuda_split_test
	tools/gpu-bundle build/release build/release/gpu-bundle
	build/release/gpu-bundle/gpu-check --out build/release/gpu-check

install: build
	cmake --install build/release --prefix $(PREFIX)

bundle: build
	tools/bundle build/release

deb: build
	rm -rf build/release/packages
	cd build/release && cpack >packages.log || { cat packages.log; exit 1; }
	ls build/release/packages/*.deb

# nanobind is on PyPI alone.
wheel:
	@tools/setup --python
	python3 -m venv build/python && build/python/bin/pip install --quiet nanobind nanobind-backend
	@cmake --preset wheel -DPython_EXECUTABLE=$(CURDIR)/build/python/bin/python >build-configure.log 2>&1 || \
	  { cat build-configure.log; exit 1; }
	@rm -f build-configure.log
	cmake --build --preset wheel -j $(JOBS) --target program _core _core_stub
	tools/wheel build/wheel

check:
	tools/check

clean:
	rm -rf build
