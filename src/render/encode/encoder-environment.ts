/**
 * The environment of a process that encodes. CUDA, by which NVENC knows its GPUs, numbers them by speed unless it is told to
 * number them by their addresses on PCI, as nvidia-smi does. Whoever has set the order keeps it.
 */
export function encoderEnvironment(hostEnv: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', ...hostEnv };
}
