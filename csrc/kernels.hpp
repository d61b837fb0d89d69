// The list of kernels: all that is written once for both machines. A file that includes this one defines before
//
//     KERNEL(name, machines, entries, contract, parameters ...)
//
// and gets a line for each kernel. From the list come the table of each instruction set, the dispatch and both Python
// modules. The body is csrc/cpu/NAME.cpp and, where `machines` is cpu_cuda, csrc/cuda/NAME.cu, which takes a Launch
// first. No body includes this list, so a new line compiles no other kernel again.
//
// entries    the types T that the body is compiled for: f32, f64 or f32_f64. All arrays of T in a call have one dtype.
// contract   the arguments in Python and how their shapes fit together. Sizes of one name are equal; n... stands for
// any
//            number of axes and their product; an axis in brackets may be left out; an argument with ? may be None.
//            Where an axis in brackets decides between two forms (rows of their own, or not), all arguments agree.
//            bindings/contract.hpp checks every call, so bodies need no checks.
// parameters in the order of the contract. In and Out are C-contiguous, Matrix has any strides. Directions do too,
// unless
//            the contract gives them n..., which needs C-contiguous ones.

// out_i = all entries of direction i.
KERNEL(generate, cpu_cuda, f32_f64, "stream:(k,n...) -> out:(k,n...)", const Stream& stream, Out<T, 2> out)

// y = act(z) with z = x w + b, and dy_i = act'(z) (dx_i w + x dw_i + db_i), summed in T. None is a structural zero.
// Without dy there are no tangents.
KERNEL(affine_jvp, cpu_cuda, f32_f64,
       "x:(m,p) w:(p,n) b?:([m],n) dx?:(k,m,p) dw?:(k,p,n) db?:(k,[m],n) activation -> y:(m,n) dy?:(k,m,n)",
       Matrix<T> x, Matrix<T> w, Matrix<T> b, Matrix<T> dx, Directions<T> dw, Matrix<T> db, Activation activation,
       Out<T, 2> y, Out<T, 3> dy)

// As affine_jvp for a streamed dw; and gram_ij = <dw_i, dw_j>, as `gram` of the same directions, not exact.
KERNEL(affine_jvp_gram, cpu_cuda, f32_f64,
       "x:(m,p) w:(p,n) b?:([m],n) dx?:(k,m,p) dw:(k,p,n) db?:(k,[m],n) activation -> y:(m,n) dy:(k,m,n) gram:(k,k)",
       Matrix<T> x, Matrix<T> w, Matrix<T> b, Matrix<T> dx, const Stream& dw, Matrix<T> db, Activation activation,
       Out<T, 2> y, Out<T, 3> dy, Out<double, 2> gram)

// out_i = x v_i, summed in T.
KERNEL(stream_product, cpu_cuda, f32_f64, "x:(m,p) stream:(k,p,n) -> out:(k,m,n)", Matrix<T> x, const Stream& stream,
       Out<T, 3> out)

// out_i = x_i y_i, summed in T.
KERNEL(matmul, cpu, f32_f64, "x:(k,m,p) y:(k,p,n) -> out:(k,m,n)", Matrix<T> x, Matrix<T> y, Out<T, 3> out)

// A convolution of images whose channels come last: y = act(patches(x) w + b), a patch being what the kernel sees at
// one position, by (tap row, tap column, channel); dy_i as of affine_jvp. The window's shape is (kh, kw), and it leads
// from images of (h, w) to (rows, columns).
KERNEL(conv_jvp, cpu, f32_f64,
       "x:(i,h,w,c) w:(kh*kw*c,n) b?:([i*rows*columns],n) dx?:(k,i,h,w,c) dw?:(k,kh*kw*c,n) "
       "db?:(k,[i*rows*columns],n) window:(kh,kw,h,w,rows,columns) activation "
       "-> y:(i,rows,columns,n) dy?:(k,i,rows,columns,n)",
       In<T, 4> x, Matrix<T> w, Matrix<T> b, In<T, 5> dx, Directions<T> dw, Matrix<T> db, const Window& window,
       Activation activation, Out<T, 4> y, Out<T, 5> dy)

// y = act(x), dy_i = act'(x) dx_i.
KERNEL(activation_jvp, cpu_cuda, f32_f64, "activation x:(n...) dx:(k,n...) -> y:(n...) dy:(k,n...)",
       Activation activation, In<T, 1> x, In<T, 2> dx, Out<T, 1> y, Out<T, 2> dy)

// out_i = a dx_i + b dy_i; without b and dy, a dx_i.
KERNEL(scaled_tangents, cpu_cuda, f32_f64, "a:(n...) dx:(k,n...) b?:(n...) dy?:(k,n...) -> out:(k,n...)", In<T, 1> a,
       In<T, 2> dx, In<T, 1> b, In<T, 2> dy, Out<T, 2> out)

// out = a x + b y, each product and the sum rounded.
KERNEL(axpby, cpu, f32_f64, "a x:(n...) b y:(n...) -> out:(n...)", T a, In<T, 1> x, T b, In<T, 1> y, Out<T, 1> out)

// A step of SGD: v_new = momentum v + x^T g, w_new = w - learning_rate v_new, each entry in one pass. None for v is
// zero.
KERNEL(outer_update, cpu, f32_f64,
       "x:(m,p) g:(m,n) w:(p,n) v?:(p,n) learning_rate momentum -> w_new:(p,n) v_new?:(p,n)", In<T, 2> x, In<T, 2> g,
       In<T, 2> w, In<T, 2> v, T learning_rate, T momentum, Out<T, 2> w_new, Out<T, 2> v_new)

// out_ir = sum of w_rj dx_irj over j.
KERNEL(weighted_rows, cpu_cuda, f32_f64, "w:(rows,n) dx:(k,rows,n) -> out:(k,rows)", In<T, 2> w, In<T, 3> dx,
       Out<T, 2> out)

// What a unit of a layer does to the loss, through the layer after it and a thin product: d_bi = r_bi sum_c e_bc t_bic
// of t_bic = sum_m w_im s_bm v_mc; where d has the axis c, d_bic = r_bi t_bic, and e is not read. None for e stands for
// ones. A slope r or s of zero gives zero, whatever it meets.
KERNEL(unit_jvp_thin, cpu_cuda, f32_f64, "w:(n1,n2) r:(rows,n1) s:(rows,n2) v:(n2,c) e?:(rows,c) -> d:(rows,n1,[c])",
       Matrix<T> w, In<T, 2> r, In<T, 2> s, Matrix<T> v, In<T, 2> e, Out<T, 3> d)

// The same where the layer after it is a convolution of images whose channels come last, w and the window as of
// conv_jvp: d = r times the sum of e_c t_c over c, t_c = sum over places q, taps and channels m of w_m s_qm v_qmc.
KERNEL(conv_unit_jvp_thin, cpu, f32_f64,
       "w:(kh*kw*c,n) r:(i,h,w,c) s:(i,rows,columns,n) v:(rows,columns,n,outputs) e:(i,outputs) "
       "window:(kh,kw,h,w,rows,columns) -> d:(i,h,w,c)",
       Matrix<T> w, In<T, 4> r, In<T, 4> s, In<T, 4> v, In<T, 2> e, const Window& window, Out<T, 4> d)

// Leaky integrate-and-fire neurons, each by itself, over a number of steps: u = beta u + current - theta spike, from
// u = spike = 0, then spike = 1 where u > theta. Counts of spikes, and their derivatives by a constant current, beta
// and theta, where a spike's derivative by u is psi = 1 / (1 + sharpness |u - theta|)^2, or, squared, 1 / (1 +
// (sharpness (u - theta))^2), and the spike that resets has none. A current with t = 1 is the same in all steps; bias
// adds to it. The train of spikes and the slopes psi have every step.
KERNEL(lif_jvp, cpu_cuda, f32_f64,
       "current:(rows,t,n) beta:(n) theta:(n) bias?:([rows],n) steps sharpness squared -> counts:(rows,n) "
       "by_current?:(rows,n) by_beta?:(rows,n) by_theta?:(rows,n) train?:(rows,s,n) slopes?:(rows,s,n)",
       In<T, 3> current, In<T, 1> beta, In<T, 1> theta, In<T, 2> bias, int64_t steps, T sharpness, bool squared,
       Out<T, 2> counts, Out<T, 2> by_current, Out<T, 2> by_beta, Out<T, 2> by_theta, Out<T, 3> train, Out<T, 3> slopes)

// out = x w, where most entries of x are zeros: their products are left out.
KERNEL(sparse_product, cpu, f32_f64, "x:(m,p) w:(p,n) -> out:(m,n)", In<T, 2> x, In<T, 2> w, Out<T, 2> out)

// The softmax cross-entropy of each row. A row whose label is not in 0 .. n - 1 gets NaN for loss and dloss.
KERNEL(cross_entropy_jvp, cpu_cuda, f32_f64, "z:(rows,n) labels:(rows) dz:(k,rows,n) -> loss:(rows) dloss:(k,rows)",
       In<T, 2> z, In<int64_t, 1> labels, In<T, 3> dz, Out<T, 1> loss, Out<T, 2> dloss)

// g_ij = <v_i, v_j>; with rows, for each row by itself. Exact: every product and sum in double; otherwise products are
// summed in T over at most 1024 entries (256 on CUDA), and these sums in double.
KERNEL(gram, cpu_cuda, f32_f64, "v:(k,[rows],n...) exact -> g:([rows],k,k)", Directions<T> v, bool exact,
       Out<double, 3> g)

// c = G^+ d for each matrix of a stack, by Cholesky with pivots; the rank, and the smallest pivot of unit directions.
KERNEL(projection_coefficients, cpu_cuda, f64,
       "gram:(batch...,k,k) d:(batch...,k) -> c:(batch...,k) rank:(batch...) margin:(batch...)", In<T, 3> gram,
       In<T, 2> d, Out<T, 2> c, Out<int64_t, 1> rank, Out<T, 1> margin)

// out = sum_i c_i v_i, summed in double over i = 0, 1, ... and rounded once; with rows, each has coefficients of its
// own.
KERNEL(combine, cpu_cuda, f32_f64, "c:([rows],k) v:(k,[rows],n...) -> out:([rows],n...)", In<double, 2> c,
       Directions<T> v, Out<T, 2> out)

// What the machine can do at most, measured: the figures that `fwdad bench` compares kernels with. First, fused
// multiply-adds between registers alone, `rounds` in each task; sink keeps the compiler from leaving the work out.
KERNEL(probe_fma, cpu, f32, "rounds -> sink:(tasks) operations:(1)", int64_t rounds, Out<T, 1> sink,
       Out<int64_t, 1> operations)

// Read a from one end to the other; sink receives a sum.
KERNEL(probe_read, cpu, f32, "a:(n) -> sink:(1)", In<T, 1> a, Out<T, 1> sink)

// b = a, by stores that do not read b first.
KERNEL(probe_copy, cpu, f32, "a:(n) -> b:(n)", In<T, 1> a, Out<T, 1> b)

#undef KERNEL
