# The CUDA plugin, build/<preset>/libbitloss_cuda.so: kernels and the CUDA runtime, linked in
# statically. The program finds it beside itself and does without it. Compiled by calling nvcc, so a
# build on a machine without it is the same but for the plugin.

set(BITLOSS_CUDA_SOURCE_DIR ${PROJECT_SOURCE_DIR}/src/bitloss/compute/cuda)

# bitloss_cuda_build(VARIABLE): what names the sources that program and plugin were both made of.
function(bitloss_cuda_build variable)
  file(GLOB sources CONFIGURE_DEPENDS ${BITLOSS_CUDA_SOURCE_DIR}/plugin/*.cu
       ${BITLOSS_CUDA_SOURCE_DIR}/plugin/*.cuh)
  list(APPEND sources ${BITLOSS_CUDA_SOURCE_DIR}/device_api.h)
  bitloss_build_of(build ${sources})
  set(${variable} ${build} PARENT_SCOPE)
endfunction()

# The -gencode options of BITLOSS_CUDA_ARCHITECTURES, as CMake spells architectures: "90a-real" is
# machine code, "80-virtual" PTX, "80" both.
function(bitloss_cuda_gencode variable)
  set(architectures ${BITLOSS_CUDA_ARCHITECTURES})
  if(NOT architectures)
    set(architectures 80)
  endif()
  set(options "")
  foreach(architecture IN LISTS architectures)
    string(REGEX MATCH "^[0-9]+[a-z]?" number ${architecture})
    set(codes sm_${number} compute_${number})
    if(architecture MATCHES "-real$")
      set(codes sm_${number})
    elseif(architecture MATCHES "-virtual$")
      set(codes compute_${number})
    endif()
    foreach(code IN LISTS codes)
      list(APPEND options "-gencode=arch=compute_${number},code=${code}")
    endforeach()
  endforeach()
  set(${variable} ${options} PARENT_SCOPE)
endfunction()

# Declares the plugin if BITLOSS_CUDA says so, and sets BITLOSS_CUDA_PLUGIN_FILE; else that is
# empty.
function(bitloss_cuda_plugin build)
  set(BITLOSS_CUDA_PLUGIN_FILE "" PARENT_SCOPE)
  if(BITLOSS_CUDA STREQUAL "off" OR BITLOSS_SANITIZE)
    return()
  endif()
  find_program(BITLOSS_NVCC nvcc PATHS /usr/local/cuda/bin)
  if(NOT BITLOSS_NVCC)
    if(BITLOSS_CUDA STREQUAL "on")
      message(FATAL_ERROR "BITLOSS_CUDA is on and there is no nvcc on the PATH")
    endif()
    return()
  endif()
  bitloss_cuda_gencode(gencode)
  set(headers ${BITLOSS_CUDA_SOURCE_DIR}/device_api.h)
  file(GLOB plugin_headers CONFIGURE_DEPENDS ${BITLOSS_CUDA_SOURCE_DIR}/plugin/*.cuh)
  file(GLOB sources CONFIGURE_DEPENDS ${BITLOSS_CUDA_SOURCE_DIR}/plugin/*.cu)
  # No contraction and no approximation: a * b + c is fused where the code says so alone.
  set(flags -std=c++20 -O3 -fmad=false -ftz=false -prec-div=true -prec-sqrt=true
      -DBITLOSS_CUDA_BUILD="${build}" -I${PROJECT_SOURCE_DIR}/src
      -Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wextra)
  set(objects "")
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    set(object ${PROJECT_BINARY_DIR}/cuda/${name}.o)
    set(code ${gencode})
    if(name MATCHES "_sm90a$")  # instructions of that one architecture
      set(code -gencode=arch=compute_90a,code=sm_90a)
    endif()
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/cuda
      COMMAND ${BITLOSS_NVCC} ${flags} ${code} -c ${source} -o ${object}
      DEPENDS ${source} ${headers} ${plugin_headers} COMMENT "Compiling CUDA ${name}" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(plugin ${PROJECT_BINARY_DIR}/libbitloss_cuda.so)
  add_custom_command(OUTPUT ${plugin}
    COMMAND ${BITLOSS_NVCC} -shared -cudart=static ${gencode} -Xlinker=--exclude-libs,ALL -o ${plugin}
            ${objects}
    DEPENDS ${objects} COMMENT "Linking libbitloss_cuda.so" VERBATIM)
  add_custom_target(bitloss_cuda ALL DEPENDS ${plugin})
  set(BITLOSS_CUDA_PLUGIN_FILE ${plugin} PARENT_SCOPE)
endfunction()
